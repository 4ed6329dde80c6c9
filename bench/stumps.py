"""How many answers rebuild boosted stumps from SHAP values: `python bench/stumps.py [--seeds 3]`.

Stumps of scikit-learn's two boostings, and of XGBoost and LightGBM where they are installed, trained on
breast cancer. Prints for each the thresholds, two answers a threshold and 50, the answers with the data and
with ranges alone, and how many thresholds were found exactly. The seed is that of the attack and of the rows,
drawn with replacement where it is not 0.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier

from divulge import Victim
from divulge.datasets import Dataset
from divulge.oracles import ShapOracle
from divulge.surrogate import additive_copy
from divulge.surrogate.additive import AdditiveCopy
from divulge.victims.trees import Leaves, leaves_of

MODELS: dict[str, Callable[[], Any]] = {
    "scikit-learn's gradient boosting, 100": lambda: GradientBoostingClassifier(max_depth=1, random_state=0),
    "its boosting on histograms, 100": lambda: HistGradientBoostingClassifier(max_depth=1),
    "XGBoost, 100": lambda: import_module("xgboost").XGBClassifier(n_estimators=100, max_depth=1),
    "XGBoost, 300": lambda: import_module("xgboost").XGBClassifier(n_estimators=300, max_depth=1),
    "XGBoost, 100, exact": lambda: import_module("xgboost").XGBClassifier(
        n_estimators=100, max_depth=1, tree_method="exact"
    ),
    "LightGBM, 100": lambda: import_module("lightgbm").LGBMClassifier(num_leaves=2, verbose=-1),
}


def cuts_of(leaves: Leaves, columns: int) -> list[np.ndarray]:
    """Return the thresholds of each column."""
    found = []
    for i in range(columns):
        own = leaves.feature == i
        cuts = np.unique(np.concatenate([leaves.low[own], leaves.high[own]]))
        found.append(cuts[np.isfinite(cuts)])
    return found


def exact(copy: AdditiveCopy, cuts: list[np.ndarray]) -> int:
    """How many thresholds lie between two neighbouring numbers of the copy."""
    count = 0
    for shape, own in zip(copy.shapes, cuts, strict=True):
        left, right = shape.closed()
        at = np.searchsorted(right, own)
        for cut, place in zip(own, at, strict=True):
            count += place < len(left) and bool(left[place] <= cut <= right[place])
    return count


def row(name: str, seed: int) -> str:
    """Attack one model, with the data and with ranges alone."""
    x, y = load_breast_cancer(return_X_y=True)
    if seed:
        drawn = np.random.default_rng(seed).integers(0, len(x), len(x))
        x, y = x[drawn], y[drawn]
    victim = Victim(MODELS[name]().fit(x, y))
    leaves = leaves_of(victim)
    assert leaves is not None
    cuts = cuts_of(leaves, x.shape[1])
    data = Dataset(name, *map(torch.from_numpy, (x, y, x, y)))
    count, cells = sum(map(len, cuts)), []
    for given in (data, None):
        oracle = ShapOracle(victim, background=x[:20])
        box = (x.min(axis=0), x.max(axis=0))
        copy = additive_copy(oracle, given, ranges=box, single=leaves.single, seed=seed)
        off = np.abs(copy.values(x) - victim.values(x)[:, 0]).max()
        cells.append(f"{copy.queries} | {exact(copy, cuts)}{'' if copy.complete else ', open'} | {off:.0e}")
    return f"| {name} | {seed} | {count} | {2 * count + 50} | {' | '.join(cells)} |"


def main() -> None:
    """Print a row for each model and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore", category=UserWarning)
    print(
        "| stumps | seed | thresholds | 2 a threshold + 50 | with data | exact | off | ranges | exact | off |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in MODELS:
        for seed in range(options.seeds):
            try:
                print(row(name, seed), flush=True)
            except ModuleNotFoundError as error:
                print(f"| {name} | {seed} | {error.name} is not installed |")
                break


if __name__ == "__main__":
    main()
