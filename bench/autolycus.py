"""AUTOLYCUS beside what this library makes of the same answers: `python bench/autolycus.py [--seeds 10]`.

AUTOLYCUS (A. C. Oksuz, A. Halimi, E. Ayday, 2023), written anew here, walks from a few known rows: the label
and the explanation of a row are asked, and the k numbers that count most are moved, each by itself: with LIME
against the class named, with SHAP either way. That gives the rows to ask about next; a model of the victim's
own kind is trained on the labels. Ours has the same rows, the same deviations and as many queries. Budgets,
k = 3 and the known rows of each class (1 with LIME, 5 with SHAP) are the paper's. Of its data sets breast
cancer ships with scikit-learn, to which wine and digits are added. Agreement on test rows, medians over the
seeds with their ranges.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from divulge import Victim, steal
from divulge.oracles import LimeOracle, Oracle, ShapOracle
from divulge.surrogate import forest_copy, linear_copy
from divulge.training.class_scores import named_classes
from leak_tables import spread

LOADERS: dict[str, Callable[..., Any]] = {
    "breast cancer": load_breast_cancer,
    "wine": load_wine,
    "digits": load_digits,
}
VICTIMS = {
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "tree": DecisionTreeClassifier(random_state=0),
}
BUDGETS = (10, 25, 50, 100)
K = 3
KNOWN = {"lime": 1, "shap": 5}  # rows of each class
STEPS = 300


def oracle_of(kind: str, victim: Victim, x: np.ndarray, seed: int) -> Oracle:
    """Return what is asked."""
    width = np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    if kind == "lime":
        return LimeOracle(victim, width=width, samples=max(100, 2 * x.shape[1]), seed=seed)
    return ShapOracle(victim, background=x[:20])


def walked(oracle: Oracle, known: np.ndarray, model: Any, width: np.ndarray, most: int, seed: int) -> Any:
    """Return AUTOLYCUS's copy after so many queries."""
    rng = np.random.default_rng(seed)
    queue, rows, labels = list(known), [], []
    by_weight = oracle.kind == "lime"
    while queue and len(rows) < most:
        x = queue.pop(0)
        told = oracle.explain(x[None])
        one = told.labels is None  # one logit, which speaks for class 1
        label = int(told.values[0] > oracle.victim.threshold) if one else int(told.labels[0])
        rows.append(x)
        labels.append(label)
        against = 1.0 if one and not label else -1.0
        for i in np.argsort(-np.abs(told.explanations[0]))[:K]:
            moved = x.copy()
            way = against * np.sign(told.explanations[0, i]) if by_weight else rng.choice([-1.0, 1.0])
            moved[i] += way * rng.uniform(0.5, 2.0) * width[i]
            queue.append(moved)
    if len(set(labels)) < 2:
        return lambda points: np.full(len(points), labels[0])
    return clone(model).fit(np.array(rows), labels).predict


def ours(oracle: Oracle, known: np.ndarray, kind: str, width: np.ndarray, most: int, seed: int) -> Any:
    """Return this library's copy after so many queries."""
    if kind == "logistic" and most >= 2 * oracle.victim.output_size:
        return linear_copy(oracle, known, queries=most, seed=seed).classes
    if kind == "tree":
        return forest_copy(oracle, known, queries=most, width=width, seed=seed).classes
    return solved(oracle, known, width, most, seed)


def solved(oracle: Oracle, known: np.ndarray, width: np.ndarray, most: int, seed: int) -> Any:
    """Return a linear copy of fewer answers than `linear_copy` checks: one an output solves for it."""
    rng = np.random.default_rng(seed)
    near = known[rng.integers(0, len(known), 500)] + width * rng.standard_normal((500, known.shape[1]))
    stolen = steal(oracle, "linear", queries=most, data=near, steps=STEPS, seed=seed)
    copy = Victim(stolen.module, (known.shape[1],), lower=False)
    return lambda points: named_classes(copy.values(points), oracle.victim.threshold)


def main() -> None:
    """Print a row for each data set, victim, explanation and attack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--data", default=",".join(LOADERS))
    parser.add_argument("--victims", default=",".join(VICTIMS))
    parser.add_argument("--explanations", default=",".join(KNOWN))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| data | victim | explanation | attack | seeds | " + " | ".join(map(str, BUDGETS)) + " |")
    print("| --- | --- | --- | --- | ---: |" + " ---: |" * len(BUDGETS))
    for name in options.data.split(","):
        for kind in options.victims.split(","):
            model = VICTIMS[kind]
            for explanation in options.explanations.split(","):
                same: dict[str, list[list[float]]] = {"AUTOLYCUS": [], "ours": []}
                for seed in range(options.first, options.first + options.seeds):
                    x, y = LOADERS[name](return_X_y=True)
                    x, test, y, _ = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
                    victim = Victim(clone(model).fit(x, y))
                    known = np.concatenate([x[y == k][: KNOWN[explanation]] for k in np.unique(y)])
                    width = np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
                    true = victim.classes(test)
                    for attack, lists in same.items():
                        found = []
                        for most in BUDGETS:
                            oracle = oracle_of(explanation, victim, x, seed)
                            if attack == "ours":
                                copy = ours(oracle, known, kind, width, most, seed)
                            else:
                                copy = walked(oracle, known, model, width, most, seed)
                            found.append(float(np.mean(copy(test) == true)))
                        lists.append(found)
                for attack, lists in same.items():
                    cells = [spread(part, ".3f") for part in zip(*lists, strict=True)]
                    row = [name, kind, explanation, attack, str(options.seeds), *cells]
                    print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
