"""Groups of training samples, and the most influential ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from divulge.influence.operators import Array

__all__ = ["TopK", "group_members", "smallest", "top_of"]


@dataclass(frozen=True)
class TopK:
    """The training samples with the largest influence on each test point.

    Attributes:
        helpful: (m, k), training samples whose up-weighting lowers the test loss, the strongest first.
        helpful_scores: (m, k), below zero where there are that many.
        harmful: (m, k), those whose up-weighting raises it, the strongest first.
        harmful_scores: (m, k).
    """

    helpful: NDArray[np.int64]
    helpful_scores: Array
    harmful: NDArray[np.int64]
    harmful_scores: Array


def group_members(groups: ArrayLike, rows: int) -> Array:
    """Return the membership matrix (n, groups) of group numbers (n,)."""
    numbers = np.asarray(groups)
    if numbers.shape != (rows,) or numbers.dtype.kind not in "iu" or numbers.min() < 0:
        raise ValueError(
            f"expected groups as {rows} numbers from 0 on, "
            f"got shape {numbers.shape} and dtype {numbers.dtype}"
            + (f" from {numbers.min()}" if numbers.size and numbers.dtype.kind == "i" else "")
        )
    return np.asarray(np.eye(int(numbers.max()) + 1, dtype=np.float32)[numbers])


def smallest(scores: Array, k: int) -> tuple[NDArray[np.int64], Array]:
    """Return columns (m, k) and values (m, k) of each row's k smallest numbers, the smallest first."""
    part = np.argpartition(scores, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(scores, part, axis=1)
    order = np.lexsort((part, values), axis=1)
    return np.take_along_axis(part, order, axis=1), np.take_along_axis(values, order, axis=1)


def top_of(scores: Array, k: int) -> tuple[NDArray[np.int64], Array, NDArray[np.int64], Array]:
    """Return a `TopK`'s four arrays (m, k) of scores (m, n)."""
    harmful, negated = smallest(-scores, k)
    return (*smallest(scores, k), harmful, -negated)
