"""How many answers rebuild trees and sums of trees, and how far the copies are right.

    python bench/copied_trees.py --victims tree,regression-tree,boosting --seeds 1
    python bench/copied_trees.py --victims tree,wine-tree --seeds 3 --told counterfactual

Prints a row for each victim: answers, thresholds, leaves or products, the largest difference of values at the
data, at shuffled and at uniform inputs, and the share of these with the same class.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from divulge import Victim
from divulge.datasets import Dataset
from divulge.oracles import CounterfactualOracle, LimeOracle, Oracle, RuleOracle, ShapOracle
from divulge.surrogate import tree_copy

VICTIMS: dict[str, tuple[Callable[[int], Any], Callable[..., Any]]] = {
    "tree": (lambda seed: DecisionTreeClassifier(random_state=seed), load_breast_cancer),
    "wine-tree": (lambda seed: DecisionTreeClassifier(random_state=seed), load_wine),
    "wine-forest": (
        lambda seed: RandomForestClassifier(3, max_depth=3, random_state=seed),
        load_wine,
    ),
    "digits-tree": (lambda seed: DecisionTreeClassifier(random_state=seed), load_digits),
    "regression-tree": (lambda seed: DecisionTreeRegressor(max_depth=6, random_state=seed), load_diabetes),
    "forest": (
        lambda seed: RandomForestClassifier(n_estimators=10, max_depth=3, random_state=seed),
        load_breast_cancer,
    ),
    "boosting-2": (
        lambda seed: GradientBoostingClassifier(n_estimators=50, max_depth=2, random_state=seed),
        load_breast_cancer,
    ),
    "boosting": (
        lambda seed: GradientBoostingClassifier(n_estimators=50, max_depth=3, random_state=seed),
        load_breast_cancer,
    ),
}


def row(name: str, seed: int, with_data: bool, told: str) -> str:
    """Attack one victim and say how it went."""
    make, load = VICTIMS[name]
    x, y = load(return_X_y=True)
    victim = Victim(make(seed).fit(x, y))
    data = Dataset(name, *map(torch.from_numpy, (x, y, x, y)))
    background = x[np.random.default_rng(seed).choice(len(x), 20, replace=False)]
    oracle: Oracle = ShapOracle(victim, background=background)
    if told == "lime":
        oracle = LimeOracle(victim, width=np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0), seed=seed)
    if told in ("counterfactual", "region"):
        oracle = CounterfactualOracle(victim, data=x, nearest=True)
    if told == "rule":
        oracle = RuleOracle(victim)
    began = time.perf_counter()
    box = (x.min(axis=0), x.max(axis=0))
    copy = tree_copy(oracle, data if with_data else None, ranges=box, regions=told == "region", seed=seed)
    seconds = time.perf_counter() - began
    rng = np.random.default_rng(1000 + seed)
    places = (x, rng.permuted(x, axis=0), rng.uniform(x.min(axis=0), x.max(axis=0), (2000, x.shape[1])))
    threshold = 0.5 if victim.tells_probabilities else 0.0
    cells = []
    for points in places:
        mine, true = copy.values(points), victim.values(points)[:, copy.output]
        classes = told in ("counterfactual", "region", "rule")
        if classes:
            true = victim.classes(points).astype(float)
        same = np.mean((mine > threshold) == (true > threshold) if not classes else mine == true)
        cells.append(f"{np.abs(mine - true).max():.1e} ({same:.4f})")
    size = getattr(copy.model, "leaves", None) or len(copy.model)  # type: ignore[arg-type]
    return (
        f"| {name} | {seed} | {copy.complete} | {copy.queries:,} | {len(copy.known)} | {size} | "
        f"{' | '.join(cells)} | {seconds:.0f} s |"
    )


def main() -> None:
    """Print a row for each victim and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--victims", default=",".join(VICTIMS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--ranges", action="store_true", help="ranges alone, no data")
    parser.add_argument(
        "--told", choices=("shap", "counterfactual", "region", "lime", "rule"), default="shap"
    )
    options = parser.parse_args()
    print("| victim | seed | complete | answers | thresholds | size | data | shuffled | uniform | time |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in options.victims.split(","):
        for seed in range(options.seeds):
            print(row(name, seed, not options.ranges, options.told), flush=True)


if __name__ == "__main__":
    main()
