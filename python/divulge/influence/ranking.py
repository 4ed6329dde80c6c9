"""Groups of training samples, and the most influential ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from divulge.influence.operators import Array

__all__ = ["group_members", "smallest"]


def group_members(groups: ArrayLike, rows: int) -> Array:
    """Return the membership matrix (n, groups) of group numbers (n,)."""
    numbers = np.asarray(groups)
    if numbers.shape != (rows,) or numbers.dtype.kind not in "iu" or numbers.min() < 0:
        raise ValueError(
            f"expected groups as {rows} numbers from 0 on, "
            f"got shape {numbers.shape} and dtype {numbers.dtype}"
        )
    return np.asarray(np.eye(int(numbers.max()) + 1, dtype=np.float32)[numbers])


def smallest(scores: Array, k: int) -> tuple[NDArray[np.int64], Array]:
    """Return columns (m, k) and values (m, k) of each row's k smallest numbers, the smallest first."""
    part = np.argpartition(scores, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(scores, part, axis=1)
    order = np.lexsort((part, values), axis=1)
    return np.take_along_axis(part, order, axis=1), np.take_along_axis(values, order, axis=1)
