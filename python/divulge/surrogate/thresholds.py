"""Where a piecewise constant model has its thresholds, number by number, and the cells between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Index

ROWS = 1000  # of the data that a copy is checked at
BESIDE_MIDDLE = (0.49, 0.51)  # of the way between two neighbours: rounded to the nearer one


class Thresholds:
    """For each of d numbers the thresholds known: the last number left of each and the first right of it.

    Bin b of number i lies right of b of its thresholds.

    Args:
        low, high: the box, shape (d,) each.
    """

    def __init__(self, low: Array, high: Array) -> None:
        self.low, self.high = low, high
        self.left: list[Array] = [np.empty(0) for _ in low]
        self.right: list[Array] = [np.empty(0) for _ in low]

    def __len__(self) -> int:
        return sum(map(len, self.left))

    @property
    def counts(self) -> Index:
        """Thresholds of each number, shape (d,)."""
        return np.array([len(left) for left in self.left], np.intp)

    def add(self, number: int, left: Array, right: Array) -> int:
        """Keep thresholds of a number; return how many are new."""
        before = len(self.left[number])
        every = np.concatenate([self.left[number], left])
        self.left[number], first = np.unique(every, return_index=True)
        self.right[number] = np.concatenate([self.right[number], right])[first]
        return len(self.left[number]) - before

    def bins(self, points: Array) -> Index:
        """Return the bins (n, d) of points (n, d)."""
        return np.stack(
            [np.searchsorted(left, points[:, i]) for i, left in enumerate(self.left)], axis=1
        ).reshape(points.shape)

    def ends(self, bins: Index) -> tuple[Array, Array]:
        """Return the least and the largest numbers (n, d) of bins (n, d)."""
        least, most = np.empty(bins.shape), np.empty(bins.shape)
        for i, (left, right) in enumerate(zip(self.left, self.right, strict=True)):
            least[:, i] = np.concatenate([[self.low[i]], right])[bins[:, i]]
            most[:, i] = np.concatenate([left, [self.high[i]]])[bins[:, i]]
        return least, most

    def within(self, bins: Index, rng: np.random.Generator) -> Array:
        """Return points (n, d), anywhere in bins (n, d)."""
        least, most = self.ends(bins)
        return np.clip(least + rng.random(bins.shape) * (most - least), least, most)

    def drawn(self, n: int, rng: np.random.Generator, data: Array | None = None) -> Array:
        """Return points (n, d): numbers in any bin, each bin equally likely, every fourth point in any place.

        Where there are data (m, d), rows of them with none, a tenth, half or all numbers replaced so.
        """
        bins = rng.integers(0, self.counts + 1, (n, len(self.low)))
        anywhere = self.low + rng.random(bins.shape) * (self.high - self.low)
        points = np.where(rng.random((n, 1)) < 0.25, anywhere, self.within(bins, rng))
        if data is None:
            return points
        share = rng.choice([0.0, 0.1, 0.5, 1.0], (n, 1))
        rows = data[rng.integers(0, len(data), n)]
        return np.where(rng.random(bins.shape) < share, points, rows)

    def fresh(self, n: int, rng: np.random.Generator, data: Array | None) -> list[Array]:
        """Return points to check a copy at: n in bins, 2 n anywhere, n shuffled rows of data (m, d), rows."""
        found = [self.drawn(n, rng, data), rng.uniform(self.low, self.high, (2 * n, len(self.low)))]
        if data is None:
            return found
        shuffled = rng.permuted(data[rng.integers(0, len(data), n)], axis=0)
        return [*found, shuffled, data[rng.permutation(len(data))[:ROWS]]]

    def between(self, points: Array, rng: np.random.Generator) -> Array:
        """Return points (n, d) of which half of the numbers lie between a threshold's two neighbours.

        Just off the middle, so that they are rounded to either of these.
        """
        points = points.copy()
        for i, (left, right) in enumerate(zip(self.left, self.right, strict=True)):
            rows = np.flatnonzero(rng.random(len(points)) < 0.5) if len(left) else np.empty(0, np.intp)
            which = rng.integers(0, max(1, len(left)), len(rows))
            share = rng.choice(BESIDE_MIDDLE, len(rows))
            if len(rows):
                points[rows, i] = left[which] + share * (right[which] - left[which])
        return points

    def bits(self, bins: Index) -> NDArray[np.bool_]:
        """Return whether points in bins (n, d) lie right of each threshold, (n, T); number 0's first."""
        parts = [bins[:, i : i + 1] > np.arange(count) for i, count in enumerate(self.counts)]
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(bins), 0), bool)

    @property
    def owners(self) -> Index:
        """The number that each threshold is of, in the order of `bits`, shape (T,)."""
        return np.repeat(np.arange(len(self.low)), self.counts)
