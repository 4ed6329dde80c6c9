"""What is predicted of leaving out groups, against training again: logistic regression, breast cancer.

    python bench/group_removal.py [--json]

Groups of 1 to 30% of the samples, drawn at random or coherent (the nearest to a sample, of its class).
Pearson's correlation of predicted and actual changes of 100 test losses: the least, the median and the most
over 12 groups of each kind and size.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from sklearn.datasets import load_breast_cancer

from divulge.influence import Influence, fit_linear, leave_groups_out

METHODS = ("first", "second", "newton")
SHARES, GROUPS, TEST, DECAY = (0.01, 0.05, 0.1, 0.3), 12, 100, 0.01


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return standardised columns and classes in random order."""
    x, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return ((x - x.mean(axis=0)) / x.std(axis=0))[order], y[order]


def groups(x: np.ndarray, y: np.ndarray, size: int, kind: str) -> list[np.ndarray]:
    """Return groups of a size."""
    rng = np.random.default_rng(size)
    if kind == "random":
        return [rng.choice(len(y), size, replace=False) for _ in range(GROUPS)]
    found = []
    for centre in rng.choice(len(y), GROUPS, replace=False):
        distance = ((x - x[centre]) ** 2).sum(axis=1) + 1e9 * (y != y[centre])
        found.append(np.argsort(distance, kind="stable")[:size])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    as_json = parser.parse_args().json
    x, y = data()
    test, train = (x[:TEST], y[:TEST]), (x[TEST:], y[TEST:])
    n = len(train[1])
    influence = Influence(
        fit_linear(*train, 2, weight_decay=DECAY), train, damping=0, weight_decay=DECAY, solver="direct"
    )
    before = influence.losses(test)
    results = []
    for kind in ("random", "coherent"):
        for share in SHARES:
            left_out = groups(*train, round(share * n), kind)
            actual = []
            for group in left_out:
                kept = np.setdiff1d(np.arange(n), group)
                again = fit_linear(train[0][kept], train[1][kept], 2, weight_decay=DECAY)
                actual.append(Influence(again, train).losses(test) - before)
            for method in METHODS:
                told = leave_groups_out(influence, test, left_out, method=method, mean="kept").T
                found = [np.corrcoef(a, b)[0, 1] for a, b in zip(told, actual, strict=True)]
                row = {"groups": kind, "share": share, "method": method}
                results.append(
                    {**row, "least": min(found), "median": float(np.median(found)), "largest": max(found)}
                )
    if as_json:
        print(json.dumps(results))
        return
    for row in results:
        print(
            f"{row['groups']:9} {row['share']:4.0%}  {row['method']:7}"
            + "".join(f"{row[key]:9.4f}" for key in ("least", "median", "largest"))
        )


if __name__ == "__main__":
    main()
