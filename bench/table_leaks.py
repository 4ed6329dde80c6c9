"""Leak curves of models of tables: `python bench/table_leaks.py [--store FOLDER]`.

Victims are scikit-learn's logistic regression, tree, forest, gradient boosting and a perceptron behind a
scaler, and boosting by XGBoost and LightGBM where they are installed, trained on breast cancer, wine and on
whether houses of generated data, like those of California, cost more than most. Copies, perceptrons of 64 and
32 units, learn from labels, probabilities, LIME, SHAP values, counterfactuals and, where there are any,
gradients, and are compared on test rows that nothing was asked about. The seed is that of the split, of the
victim and of the copy. With a
store rows are kept as they are finished, and the same command goes on where it stopped. Prints medians over
the seeds, with the ranges.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from divulge import Victim, steal
from divulge.datasets import Dataset, read_data
from divulge.oracles import oracle_by_name
from divulge.sweep.experiment import key_of
from divulge.sweep.results import KEY, Results, as_table
from leak_tables import spread

SURROGATE = "mlp:64x32"


def houses(n: int = 2000) -> pd.DataFrame:
    """Return rows like the census blocks of California: eight columns, and whether they cost more than most.

    The price grows with income and nearness to two coasts' towns, as steps, bends and products of columns.
    """
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "income": rng.lognormal(1.2, 0.45, n),
            "age": rng.integers(1, 53, n).astype(float),
            "rooms": rng.lognormal(1.65, 0.25, n),
            "bedrooms": rng.lognormal(0.05, 0.1, n),
            "population": rng.lognormal(7, 0.7, n).round(),
            "occupancy": rng.lognormal(1.05, 0.2, n),
            "latitude": rng.uniform(32.5, 42, n),
            "longitude": rng.uniform(-124, -114, n),
        }
    )
    towns = np.array([[37.8, -122.3], [34.0, -118.2]])
    places = frame[["latitude", "longitude"]].to_numpy()
    far = np.sqrt(((places[:, None] - towns) ** 2).sum(axis=2)).min(axis=1)
    price = 0.4 * frame["income"] + 2 * np.exp(-far) * np.sqrt(frame["income"]) - 0.3 * frame["occupancy"]
    price += 0.01 * frame["age"] * (far < 1) + rng.normal(0, 0.3, n)
    return frame.assign(target=(price > np.median(price)).astype(int))


LOADERS: dict[str, Callable[[], pd.DataFrame]] = {
    "breast cancer": lambda: load_breast_cancer(as_frame=True).frame,
    "wine": lambda: load_wine(as_frame=True).frame,
    "houses": houses,
}
VICTIMS: dict[str, Callable[[int], Any]] = {
    "logistic": lambda seed: make_pipeline(StandardScaler(), LogisticRegression()),
    "tree": lambda seed: DecisionTreeClassifier(random_state=seed),
    "forest": lambda seed: RandomForestClassifier(50, random_state=seed),
    "boosting": lambda seed: GradientBoostingClassifier(n_estimators=50, random_state=seed),
    "xgboost": lambda seed: import_module("xgboost").XGBClassifier(n_estimators=50, random_state=seed),
    "lightgbm": lambda seed: import_module("lightgbm").LGBMClassifier(
        n_estimators=50, random_state=seed, verbose=-1
    ),
    "perceptron": lambda seed: make_pipeline(
        StandardScaler(), MLPClassifier((32,), alpha=1.0, max_iter=2000, random_state=seed)
    ),
}
# What tables call an answer, and its name with parameters: twice as many samples of LIME as columns or more.
ANSWERS = {
    "label": "label",
    "probability": "probability",
    "lime": "lime:samples=60",
    "shap": "shap",
    "counterfactual": "counterfactual",
    "gradient": "gradient",
}


def table_and_victim(data_name: str, victim_name: str, seed: int) -> tuple[Dataset, Victim]:
    """Return the data split by the seed, and a victim trained on its training part."""
    data = read_data(LOADERS[data_name](), "target", name=data_name, test_share=0.3, seed=seed)
    model = VICTIMS[victim_name](seed)
    model.fit(data.frame(data.train_inputs.numpy()), data.train_targets.numpy())
    return data, Victim(model, data=data)


def rows(cell: dict[str, Any], counts: list[int]) -> list[dict[str, Any]]:
    """Return one leak curve, a row for each number of queries; none where there is no such answer."""
    data, victim = table_and_victim(cell["data"], cell["victim"], cell["seed"])
    if cell["answers"] == "gradient" and not victim.differentiable:
        return []
    oracle = oracle_by_name(ANSWERS[cell["answers"]], victim, data=data)
    stolen = steal(oracle, SURROGATE, queries=counts, data=data, steps=cell["steps"], seed=cell["seed"])
    return [
        {KEY: key_of({**cell, "queries": int(row["queries"])}), **cell, **row}
        for row in stolen.leak_curve.to_dict("records")
    ]


def print_table(found: list[dict[str, Any]]) -> None:
    """Print a line for each data set, victim and kind of answer."""
    table = as_table(found)
    counts = sorted(set(table["queries"]))
    print("| data | victim | answers | seeds | " + " | ".join(f"{n:.0f}" for n in counts) + " |")
    print("| --- | --- | --- | ---: |" + " ---: |" * len(counts))
    for names, part in table.groupby(["data", "victim", "answers"], sort=False):
        told = [spread(part[part["queries"] == n]["agreement"].tolist(), ".3f") for n in counts]
        print(f"| {' | '.join(names)} | {part['seed'].nunique()} | " + " | ".join(told) + " |")


def main() -> None:
    """Measure what the store does not hold, and print all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=",".join(LOADERS))
    here = [name for name in VICTIMS if name not in ("xgboost", "lightgbm") or find_spec(name)]
    parser.add_argument("--victims", default=",".join(here))
    parser.add_argument("--answers", default=",".join(ANSWERS))
    parser.add_argument("--queries", default="20,60,200")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--store", type=Path, help="folder that keeps finished rows")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", category=UserWarning)
    counts = [int(count) for count in options.queries.split(",")]
    store = None if options.store is None else Results(options.store)
    kept = {} if store is None else store.read()
    found = []
    names = [getattr(options, what).split(",") for what in ("data", "victims", "answers")]
    for seed, data, victim, answers in product(range(options.seeds), *names):
        cell = {"data": data, "victim": victim, "answers": answers, "seed": seed, "steps": options.steps}
        known = [kept.get(key_of({**cell, "queries": n})) for n in counts]
        fresh = known if all(known) else rows(cell, counts)
        if store is not None and fresh and not all(known):
            store.write(fresh)
            print(seed, data, victim, answers, file=sys.stderr, flush=True)
        found += [row for row in fresh if row is not None]
    found.sort(key=lambda row: [names[i].index(row[k]) for i, k in enumerate(("data", "victim", "answers"))])
    print_table(found)


if __name__ == "__main__":
    main()
