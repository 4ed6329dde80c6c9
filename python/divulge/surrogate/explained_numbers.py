"""What a copy of few explained answers reads of an input: numbers and sums that explanations name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index

# Chosen on other splits of breast cancer and wine than those that `bench/autolycus.py` prints.
LEAST, MOST = 3, 10  # numbers that are read, of those that count
COUNTS = 0.05  # of the largest mean size of an explanation: below it a number does not count


@dataclass(frozen=True)
class ExplainedNumbers:
    """The numbers that explanations call large, and a sum of all for each class that they are of.

    Attributes:
        which: the numbers, shape (m,).
        slopes: of the sums: mean explanations, over the width of each number, shape (K, d); one row of two
            classes or one output.
    """

    which: Index
    slopes: Array

    @classmethod
    def of(cls, told: Array, outputs: Index, width: Array, classes: int) -> ExplainedNumbers:
        """Read explanations (n, d) of outputs (n,), of so many; width (d,) is what a number varies by."""
        sizes = np.abs(told).mean(axis=0)
        count = int(np.clip((sizes > COUNTS * sizes.max()).sum(), LEAST, MOST))
        if classes <= 2:
            signs = np.where(outputs == classes - 1, 1.0, -1.0)
            means = (signs[:, None] * told).mean(axis=0, keepdims=True)
        else:
            rows = [told[outputs == k] for k in range(classes)]
            means = np.stack([part.mean(axis=0) if len(part) else np.zeros(len(width)) for part in rows])
        return cls(np.argsort(-sizes, kind="stable")[:count], means / width)

    @classmethod
    def all(cls, count: int) -> ExplainedNumbers:
        """Read all of so many numbers, and no sums."""
        return cls(np.arange(count), np.empty((0, count)))

    def __call__(self, points: Array) -> Array:
        """Return what is read of points (n, d): shape (n, m + K)."""
        return np.column_stack([points[:, self.which], points @ self.slopes.T])
