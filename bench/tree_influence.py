"""What influence in boosted trees is worth: against refitting leaves, and against training again.

    python bench/tree_influence.py [--speed] [--json]

A table for each model: Pearson's correlation, a median over test points, of each method's scores with
LeafRefit (exact for the fixed structure) and with training again without the sample, for samples drawn at
random; and the rise of a test point's loss when the 3% that the method calls most helpful are left out and a
model is trained again, a mean over test points. --speed: 10,000 rows, 100 trees of depth 5, 100 test points.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
)

from divulge.influence import TreeInfluence

METHODS = ("leaf_refit", "leaf_influence", "boost_in", "leaf_similarity")
TEST, LEFT_OUT, REMOVED, SHARE = 40, 40, 10, 0.03
Data = tuple[np.ndarray, np.ndarray]


def models() -> Iterator[tuple[str, Any, Callable[..., Any]]]:
    """Yield name, estimator and data; what is not installed is left out."""
    few = {"n_estimators": 40, "max_depth": 3, "random_state": 0}
    yield "GradientBoosting, diabetes", GradientBoostingRegressor(**few), load_diabetes
    yield "GradientBoosting, breast cancer", GradientBoostingClassifier(**few), load_breast_cancer
    yield "GradientBoosting, wine", GradientBoostingClassifier(**few), load_wine
    histograms = HistGradientBoostingClassifier(max_iter=40, max_depth=3, early_stopping=False)
    yield "HistGradientBoosting, breast cancer", histograms, load_breast_cancer
    for package, name, options in (
        ("xgboost", "XGBClassifier", {**few, "n_jobs": 1}),
        ("lightgbm", "LGBMClassifier", {**few, "num_leaves": 8, "n_jobs": 1, "verbose": -1}),
    ):
        try:
            yield (
                f"{name}, breast cancer",
                getattr(import_module(package), name)(**options),
                load_breast_cancer,
            )
        except ImportError:
            continue


def losses(model: Any, train: Data, rows: np.ndarray, test: Data) -> np.ndarray:
    """Return the test losses of a model trained on some rows; classes that are gone have the prior's."""
    fitted = clone(model).fit(train[0][rows], train[1][rows])
    if not hasattr(fitted, "classes_"):
        return (fitted.predict(test[0]) - test[1]) ** 2 / 2
    told = fitted.predict_proba(test[0])
    return -np.log(told[np.arange(len(test[1])), test[1]])


def judged(model: Any, load: Callable[..., Any], seed: int = 0) -> list[dict[str, Any]]:
    """Return a row for each method."""
    x, y = load(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    train, test = ((x[part], y[part]) for part in (order[TEST:], order[:TEST]))
    n = len(train[1])
    influence = TreeInfluence(clone(model).fit(*train), train)
    scores = {method: influence.scores(test, method=method) for method in METHODS}
    everything = np.arange(n)
    before = losses(model, train, everything, test)
    left = rng.choice(n, LEFT_OUT, replace=False)
    again = np.array([losses(model, train, np.delete(everything, i), test) - before for i in left]).T
    rows = []
    for method, found in {**scores, "random": rng.standard_normal(scores["boost_in"].shape)}.items():
        rise = [
            losses(model, train, np.argsort(row)[round(SHARE * n) :], (test[0][[t]], test[1][[t]]))[0]
            - before[t]
            for t, row in enumerate(found[:REMOVED])
        ]
        rows.append(
            {
                "method": method,
                "with_leaf_refit": likeness(found, scores["leaf_refit"]),
                "with_training_again": likeness(found[:, left], -again),
                "rise_without_helpful": float(np.mean(rise)),
            }
        )
    return rows


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Return the median over test points of Pearson's correlation; constant rows are left out."""
    told = [np.corrcoef(u, v)[0, 1] for u, v in zip(a, b, strict=True) if u.std() > 0 and v.std() > 0]
    return float(np.median(told))


def speed(refits: int = 416) -> dict[str, float]:
    """Return seconds of one thread for 10,000 rows, 100 trees of depth 5 and 100 test points."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(10_000, 10))
    y = (x[:, 0] + x[:, 1] * x[:, 2] + 0.3 * rng.normal(size=len(x)) > 0.4).astype(int)
    model = HistGradientBoostingClassifier(
        max_iter=100, max_depth=5, max_leaf_nodes=None, early_stopping=False
    ).fit(x, y)
    test = rng.normal(size=(100, 10)), rng.integers(0, 2, 100)
    spent = {"fit": time.process_time()}
    influence = TreeInfluence(model, (x, y))
    spent["fit"] = time.process_time() - spent["fit"]
    for method in ("leaf_influence", "boost_in", "leaf_similarity"):
        start = time.process_time()
        influence.scores(test, method=method)
        spent[method] = time.process_time() - start
    start = time.process_time()
    influence.leave_one_out(test, rows=np.arange(refits))
    spent["leaf_refit, all 10,000 (from some)"] = (time.process_time() - start) * len(x) / refits
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument(
        "--speed", action="store_true", help="seconds of the processor in place of the tables"
    )
    arguments = parser.parse_args()
    if arguments.speed:
        results: dict[str, Any] = speed()
    else:
        results = {name: judged(model, load) for name, model, load in models()}
    if arguments.json:
        print(json.dumps(results))
        return
    for name, rows in results.items():
        if arguments.speed:
            print(f"{name:36} {rows:8.2f} s")
            continue
        print(f"{name}\n  {'method':18} with LeafRefit  with training again  rise without the most helpful")
        for row in rows:
            method, *numbers = row.values()
            print(f"  {method:18}" + "".join(f"{number:15.3f}" for number in numbers))


if __name__ == "__main__":
    main()
