"""Distances between rows of a table whose columns are of different kinds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist

from divulge.arrays import Array, Mask
from divulge.datasets.columns import Column

SAME = 1e-9  # of a column's range: nearer numbers are the same
_CELLS = 20_000_000  # distances held in memory at once


class Gower:
    """Gower's distance: the mean over columns of |a - b| / range, and of whether words differ.

    Args:
        x: the table's rows (n, d), whose extent is each column's range; 1 where it is 0.
        columns: d of them.

    Attributes:
        extent: each column's range, shape (d,).
        worded: which columns hold categories, shape (d,).

    Source:
        J. C. Gower, "A General Coefficient of Similarity and Some of Its Properties", 1971.
    """

    def __init__(self, x: Array, columns: Sequence[Column]) -> None:
        extent = np.ptp(x, axis=0)
        self.extent = np.where(extent > 0, extent, 1.0)
        self.worded = np.array([bool(column.categories) for column in columns])
        self._sizes = [len(column.categories) for column in columns]

    def differences(self, a: Array, b: Array) -> Array:
        """Return each column's part of the distance of rows (..., d), shape (..., d)."""
        apart = np.abs(a - b) / self.extent
        return np.where(self.worded, (apart > SAME).astype(np.float64), apart)

    def between(self, a: Array, b: Array) -> Array:
        """Return the distance of rows (..., d) that stand opposite each other, shape (...)."""
        return np.asarray(self.differences(a, b).mean(axis=-1))

    def nearest(self, a: Array, b: Array, k: int, skip: Mask | None = None) -> Array:
        """Return the mean distance (n,) of rows (n, d) to their k nearest of rows (m, d).

        Args:
            a: shape (n, d).
            b: shape (m, d).
            k: how many.
            skip: which of the latter do not count for a row, shape (n, m).
        """
        flat_b = self._flat(b)
        found = np.empty(len(a))
        size = max(1, _CELLS // len(b))
        for first in range(0, len(a), size):
            part = slice(first, first + size)
            apart = cdist(self._flat(a[part]), flat_b, "cityblock") / a.shape[1]
            if skip is not None:
                apart[skip[part]] = np.inf
            found[part] = np.partition(apart, k - 1, axis=1)[:, :k].mean(axis=1)
        return found

    def closest(self, a: Array, b: Array) -> Array:
        """Return the place (n,) of the nearest of rows (m, d) for each of rows (n, d)."""
        return np.asarray(cdist(self._flat(a), self._flat(b), "cityblock").argmin(axis=1))

    def _flat(self, rows: Array) -> Array:
        """Rows (n, d) as vectors whose sums of absolute differences are d times the distance."""
        parts = [rows[:, ~self.worded] / self.extent[~self.worded]]
        for j in np.flatnonzero(self.worded):
            parts.append(np.eye(max(1, self._sizes[j]))[rows[:, j].astype(np.intp)] / 2)
        return np.concatenate(parts, axis=1)
