"""What a counterfactual should be: in the wanted interval, near, of few changes, like the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.datasets.columns import Column
from divulge.explanations.asked import Asked
from divulge.explanations.gower import SAME, Gower
from divulge.explanations.rows import Rows

OBJECTIVES = ("miss", "distance", "changes", "from_data")
MOST_TRAIN = 2000  # rows that candidates are held against
_ASKED_AT_ONCE = 50_000


@dataclass(frozen=True)
class Wanted:
    """The four objectives of candidates for P points.

    Attributes:
        asked: the model.
        x: the points (P, d).
        train: rows (n, d) that candidates should be like.
        columns: d of them.
        target: the least and the greatest prediction that is wanted.
        k: nearest rows that a candidate is held against.
        gower: the distance.
        free: which columns may change, shape (d,).
        most_changes: the most columns that may.
        twins: which training rows are the point itself and do not count, shape (P, n); none of a point that
            leaves fewer than k others.
    """

    asked: Asked
    x: Array
    train: Array
    columns: tuple[Column, ...]
    target: tuple[float, float]
    k: int
    gower: Gower
    free: Mask
    most_changes: int
    twins: Mask

    @staticmethod
    def of(
        asked: Asked, x: Array, rows: Rows, target: tuple[float, float], k: int, most: int | None, seed: int
    ) -> Wanted:
        """Take the training rows, or so many drawn."""
        train = rows.train
        if len(train) > MOST_TRAIN:
            rng = np.random.default_rng([seed, 7])
            train = train[np.sort(rng.choice(len(train), MOST_TRAIN, replace=False))]
        free = np.array([column.may_change and _places(column) > 1 for column in rows.columns])
        if not free.any():
            raise ValueError("no column may change: all are fixed or constant")
        if not 1 <= k <= len(train):
            raise ValueError(f"expected k from 1 to the {len(train)} training rows, got {k}")
        most = int(free.sum()) if most is None else most
        if most < 1:
            raise ValueError(f"expected most_changes of at least 1, got {most}")
        twins = np.array([(train == point).all(axis=1) for point in x])
        twins[twins.sum(axis=1) > len(train) - k] = False
        gower = Gower(rows.train, rows.columns)
        return Wanted(asked, x, train, rows.columns, target, k, gower, free, most, twins)

    @property
    def low(self) -> Array:
        """The least number of each column, shape (d,)."""
        return np.array([column.low for column in self.columns])

    @property
    def high(self) -> Array:
        """The greatest."""
        return np.array([column.high for column in self.columns])

    @property
    def whole(self) -> Mask:
        """Which columns hold whole numbers or words."""
        return np.array([column.kind != "numeric" for column in self.columns])

    @property
    def worded(self) -> Mask:
        """Which columns hold words or truth values."""
        return self.gower.worded

    def snap(self, candidates: Array) -> Array:
        """Return the nearest rows (..., d) that there can be."""
        within = np.clip(candidates, self.low, self.high)
        return np.where(self.whole, np.clip(np.rint(within), np.ceil(self.low), np.floor(self.high)), within)

    def predictions(self, candidates: Array) -> Array:
        """Return what the model says of rows (..., d), shape (...); all are asked about at once."""
        flat = candidates.reshape(-1, candidates.shape[-1])
        parts = [self.asked(flat[i : i + _ASKED_AT_ONCE]) for i in range(0, len(flat), _ASKED_AT_ONCE)]
        return np.concatenate(parts).reshape(candidates.shape[:-1])

    def miss(self, predictions: Array) -> Array:
        """Return how far predictions (...) are from the wanted interval, 0 inside."""
        low, high = self.target
        return np.maximum(np.maximum(low - predictions, predictions - high), 0.0)

    def objectives(self, candidates: Array, predictions: Array, of: Index | None = None) -> Array:
        """Return the objectives of candidates (P, n, d) with predictions (P, n), shape (P, n, 4).

        Args:
            candidates: n for each point.
            predictions: of them.
            of: the places of the points, where they are not all.
        """
        x = self.x if of is None else self.x[of]
        apart = self.gower.differences(candidates, x[:, None])
        flat = candidates.reshape(-1, candidates.shape[-1])
        twins = self.twins if of is None else self.twins[of]
        skip = np.repeat(twins, candidates.shape[1], axis=0) if twins.any() else None
        near = self.gower.nearest(flat, self.train, self.k, skip).reshape(predictions.shape)
        changes = (apart > SAME).sum(axis=2)
        return np.stack([self.miss(predictions), apart.mean(axis=2), changes, near], axis=2)


def _places(column: Column) -> float:
    """How many entries a column's range has; of numbers infinitely many."""
    if column.kind == "numeric":
        return np.inf if column.high > column.low else 1
    return float(np.floor(column.high) - np.ceil(column.low) + 1)


def nearest_wanted(wanted: Wanted) -> Array | None:
    """Return the nearest training row (P, d) that is predicted as wanted, or None where none is.

    Columns that may not change keep the point's entries.
    """
    told = wanted.predictions(wanted.train)
    there = wanted.train[wanted.miss(told) == 0]
    if not len(there):
        return None
    found = there[wanted.gower.closest(wanted.x, there)]
    return np.where(wanted.free, found, wanted.x)


def check_target(target: Sequence[float]) -> tuple[float, float]:
    """Return the interval, or raise ValueError."""
    try:
        low, high = map(float, target)
    except (TypeError, ValueError):
        raise ValueError(f"expected a target (low, high), got {target!r}") from None
    if not low <= high:
        raise ValueError(f"expected a target low, high in rising order, got {low:g}, {high:g}")
    return low, high
