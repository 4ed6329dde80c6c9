"""How many explanations rebuild a linear model: `python bench/linear_copies.py [--seeds 5]`.

Victims are logistic regressions behind a scaler, trained on breast cancer, wine and digits. A row for each
kind of answer: answers asked, whether the copy is called complete, and the share of rows on which copy and
victim name the same class; then the curve of LIME with fewer samples than columns, whose noise averages out,
and counterfactuals that are nearest by other distances, as they are and divided by the deviations of the
columns. Medians over seeds with their ranges. `--part`, `--data` choose among them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from divulge import Victim
from divulge.oracles import CounterfactualOracle, LimeOracle, Oracle, ShapOracle
from divulge.surrogate import linear_copy
from leak_tables import spread

LOADERS: dict[str, Callable[..., Any]] = {
    "breast cancer": load_breast_cancer,
    "wine": load_wine,
    "digits": load_digits,
}
NOISY = 10  # samples of LIME, fewer than there are columns
NORMS = (1, 1.5, 2, 3, np.inf)
MOST = 700  # answers where borders are known by points alone: digits need 584, and 20 that check
CURVE = (4, 10, 30, 100, 300, 1000, 3000)


def case(name: str, seed: int) -> tuple[np.ndarray, Victim]:
    """Return inputs, and a victim trained on a random four fifths of them."""
    x, y = LOADERS[name](return_X_y=True)
    some = np.random.default_rng(seed).permutation(len(x))[: 4 * len(x) // 5]
    return x, Victim(make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x[some], y[some]))


def oracles(x: np.ndarray, victim: Victim, seed: int) -> dict[str, Oracle]:
    """Return what is asked, by name."""
    width = np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    return {
        "SHAP values": ShapOracle(victim, background=x[:20]),
        "LIME, 100 samples": LimeOracle(victim, width=width, seed=seed),
        f"LIME, {NOISY} samples": LimeOracle(victim, width=width, samples=NOISY, seed=seed),
        "nearest counterfactuals": CounterfactualOracle(victim, data=x, nearest=True),
        "counterfactuals of few changes": CounterfactualOracle(victim, data=x, seed=seed),
    }


def agreement(copy: Any, victim: Victim, x: np.ndarray) -> float:
    return float(np.mean(copy.classes(x) == victim.classes(x)))


def asked_row(name: str, kind: str, rows: list[tuple[float, bool, float]]) -> str:
    asked, complete, same = zip(*rows, strict=True)
    return (
        f"| {name} | {kind} | {spread(asked, ',.0f')} | {sum(complete)} of {len(rows)} | "
        f"{spread(same, '.4f')} |"
    )


def kinds_part(names: list[str], seeds: range) -> None:
    """Print a row for each kind of answer."""
    print("| data | answers | asked | complete | agreement |\n| --- | --- | ---: | ---: | ---: |")
    for name in names:
        told: dict[str, list[tuple[float, bool, float]]] = {}
        for seed in seeds:
            x, victim = case(name, seed)
            for kind, oracle in oracles(x, victim, seed).items():
                copy = linear_copy(oracle, x, seed=seed)
                told.setdefault(kind, []).append((copy.queries, copy.complete, agreement(copy, victim, x)))
        for kind, rows in told.items():
            print(asked_row(name, kind, rows), flush=True)


def curve_part(names: list[str], seeds: range) -> None:
    """Print the curve of LIME with few samples."""
    print(f"\nLIME with {NOISY} samples\n\n| data | " + " | ".join(f"{n:,}" for n in CURVE) + " |")
    print("| --- |" + " ---: |" * len(CURVE))
    for name in names:
        cells = []
        for queries in CURVE:
            same = []
            for seed in seeds:
                x, victim = case(name, seed)
                oracle = oracles(x, victim, seed)[f"LIME, {NOISY} samples"]
                outputs = victim.output_size
                copy = linear_copy(oracle, x, queries=max(queries, 2 * outputs), seed=seed)
                same.append(agreement(copy, victim, x))
            cells.append(spread(same, ".4f"))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def norms_part(names: list[str], seeds: range) -> None:
    """Print a row for each distance."""
    print("\n| data | distance | asked | complete | agreement |\n| --- | --- | ---: | ---: | ---: |")
    for name, norm, weighted in product(names, NORMS, (True, False)):
        rows = []
        for seed in seeds:
            x, victim = case(name, seed)
            weights = 1 / np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0) if weighted else 1.0
            oracle = CounterfactualOracle(victim, data=x, nearest=True, norm=norm, weights=weights)
            copy = linear_copy(oracle, x, queries=MOST, seed=seed)
            rows.append((copy.queries, copy.complete, agreement(copy, victim, x)))
        print(asked_row(name, f"p = {norm}{', weighted' if weighted else ''}", rows), flush=True)


def main() -> None:
    """Print the tables."""
    parts = {"kinds": kinds_part, "curve": curve_part, "norms": norms_part}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--part", default=",".join(parts))
    parser.add_argument("--data", default=",".join(LOADERS))
    options = parser.parse_args()
    for part in options.part.split(","):
        parts[part](options.data.split(","), range(options.seeds))


if __name__ == "__main__":
    main()
