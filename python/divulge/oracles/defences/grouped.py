"""Explanations of groups of features in the place of single ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from divulge.arrays import Array, Index
from divulge.oracles.base import Oracle
from divulge.oracles.defences.partial import PartialDefence
from divulge.oracles.ledger import whole
from divulge.points import as_matrix, check_finite

if TYPE_CHECKING:
    from torch import Tensor

    from divulge.points import Points


class Grouped(PartialDefence):
    """Tells the sums of an explanation over groups of at least k features, and nothing of single ones.

    Each feature of a group G gets sum_{i in G} e_i / |G|, so that sums over groups, and over all features,
    stay. Values and labels stay as they are. A linear model is no safer for it: moving one feature
    alone shows in its group's sum.

    Args:
        oracle: what is defended.
        k: the fewest features in a group.
        groups: the group of each feature, whole numbers of shape (d,), see `correlated_groups`; by default k
            neighbours, in the last group up to 2 k - 1.

    Raises:
        ValueError: k is not between 1 and d, or a group is smaller.
        TypeError: groups are no whole numbers.
    """

    def __init__(self, oracle: Oracle, k: int, *, groups: ArrayLike | None = None) -> None:
        super().__init__(oracle)
        self.k = _check_k(k, self.input_size)
        self.groups = _checked(groups, self.k, self.input_size)
        one_hot = self.groups[:, None] == np.arange(self.groups.max() + 1)
        self._sums = one_hot / one_hot.sum(axis=0) ** 0.5  # (d, groups); with its transpose it is the mean

    def part(self, explanations: Array) -> Array:
        """Return for each feature its group's mean."""
        return np.asarray(explanations @ self._sums @ self._sums.T)

    def imitate(self, mine: Tensor, told: Tensor) -> Tensor:
        """Return the same of a surrogate's explanations."""
        sums = mine.new_tensor(self._sums)
        return mine @ sums @ sums.T


def correlated_groups(inputs: Points, k: int) -> Index:
    """Return groups of k features (in one up to 2 k - 1) such that correlated features lie together.

    Features are put in the order of the leaves of a tree of average linkage, by 1 - |correlation| of
    two columns, and cut into runs; a constant feature correlates with none.

    Args:
        inputs: shape (n, d), n > 1.
        k: the fewest features in a group.

    Returns:
        The group of each feature, shape (d,), for `Grouped`.

    Raises:
        ValueError: k is not between 1 and d, or there are fewer than two inputs.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage

    matrix = as_matrix(inputs, int(np.shape(inputs)[-1]))
    check_finite(matrix)
    d = matrix.shape[1]
    k = _check_k(k, d)
    if len(matrix) < 2:
        raise ValueError(f"expected at least two inputs to correlate features, got {len(matrix)}")
    if d == 1:
        return np.zeros(1, np.intp)
    centred = matrix - matrix.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=0)
    unit = centred / np.where(lengths > 0, lengths, 1.0)
    apart = 1 - np.abs(unit.T @ unit)
    order = leaves_list(linkage(apart[np.triu_indices(d, 1)].clip(0), "average"))
    groups = np.empty(d, np.intp)
    groups[order] = _runs(d, k)
    return groups


def _runs(d: int, k: int) -> Index:
    """Groups of k neighbours; those left over belong to the last."""
    return np.minimum(np.arange(d) // k, d // k - 1)


def _check_k(k: int, d: int) -> int:
    if not 1 <= whole("k", k) <= d:
        raise ValueError(f"expected k between 1 and {d}, got {k}")
    return k


def _checked(groups: ArrayLike | None, k: int, d: int) -> Index:
    """Return the group of each feature, from 0 on."""
    if groups is None:
        return _runs(d, k)
    given = np.asarray(groups)
    if given.dtype.kind not in "iu":
        raise TypeError(f"expected whole numbers that name groups, got {given.dtype}")
    if given.shape != (d,):
        raise ValueError(f"expected a group for each of {d} features, got shape {given.shape}")
    names, numbers, counts = np.unique(given, return_inverse=True, return_counts=True)
    if counts.min() < k:
        small = names[counts.argmin()]
        raise ValueError(f"expected at least {k} features in a group, got {counts.min()} in group {small}")
    return numbers
