"""What the benchmark of refitting boosted trees runs: 5,000 samples, 100 trees of 32 leaves, log loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from divulge import _core
from engine_cases import Case

ROWS, TREES, LEAVES, COLUMNS = 5000, 100, 32, 64
RATE, L2 = 0.1, 1.0


def refit_5000_100() -> Case:
    """Leave a sample out of each of 64 columns; the baseline fits one."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, (ROWS, 1)).astype(float)
    weights, start, columns = np.ones(ROWS), np.zeros((1, COLUMNS)), np.arange(COLUMNS)
    stacked = rng.integers(0, LEAVES, (TREES, ROWS)).astype(np.int32)
    first = np.arange(TREES + 1) * LEAVES

    def native() -> Any:
        given = stacked, first, targets, weights, start, columns, columns
        return _core.refit_boosting("logistic", *given, rate=RATE, l2=L2)

    def baseline() -> np.ndarray:
        kept, margins = np.where(np.arange(ROWS) == 0, 0.0, 1.0), np.zeros(ROWS)
        values = np.empty((TREES, LEAVES))
        for leaf, value in zip(stacked, values, strict=True):
            p = 1 / (1 + np.exp(-margins))
            first_sum = np.bincount(leaf, kept * (p - targets[:, 0]), LEAVES)
            value[:] = -RATE * first_sum / (np.bincount(leaf, kept * p * (1 - p), LEAVES) + L2)
            margins += value[leaf]
        return values.ravel()

    def check(values: Any, expected: Any) -> None:
        np.testing.assert_allclose(values[:, 0], expected, rtol=1e-9, atol=1e-12)

    return Case(native, baseline, check, note="64 refits; the baseline makes one, in NumPy", scale=COLUMNS)


CASES: dict[str, Callable[[], Case]] = {"refit_boosting_5000_100": refit_5000_100}
