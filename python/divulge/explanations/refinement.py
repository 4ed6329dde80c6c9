"""Rows that find their group again: those that fused early with a neighbour of another group move over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist

from divulge.arrays import Array, Index
from divulge.explanations.local_models import LocalModels

MOST_STEPS = 100
GAIN = 1e-9  # of a row's cost, below which it stays where it is

Path = Sequence[tuple[float, Index]]


def refined(local: LocalModels, path: Path, level: int) -> Path:
    """Return the path with the rows of one level in the group whose explanation costs them least.

    Args:
        local: slopes of the rows, with values.
        path: penalties, and groups (n,) numbered from 0, from fine to coarse.
        level: place in the path.
    """
    return _nested(path, level, _settled(local, path[level][1]))


def costs(local: LocalModels, groups: Index) -> Array:
    """Return what each group's explanation costs each row, shape (n, groups).

    For a row i it is (f_i - b - theta . x_i)^2 + |s (theta - theta_i)|^2, s the deviations of the columns:
    what the explanation minimises over the rows of its group (`LocalModels.pooled`).
    """
    assert local.values is not None
    pooled, spread = local.pooled(groups), local.x.std(axis=0)
    cost = cdist(local.theta * spread, pooled.explanations * spread, "sqeuclidean")
    cost += (local.values[:, None] - pooled.bases - local.x @ pooled.explanations.T) ** 2
    return np.asarray(cost)


def _settled(local: LocalModels, groups: Index) -> Index:
    """Groups in which no row would rather be in another, as in k-means; one that all leave is gone."""
    for _ in range(MOST_STEPS):
        cost = costs(local, groups)
        best = cost.argmin(axis=1)
        moves = _own(cost, best) < (1 - GAIN) * _own(cost, groups)
        if not moves.any():
            break
        groups = _numbered(np.where(moves, best, groups))
    return groups


def _nested(path: Path, level: int, new: Index) -> Path:
    """The path with other groups at a level: coarser levels join these as before, finer ones are parts."""
    old = path[level][1]
    levels: list[tuple[float, Index]] = []
    for place, (penalty, groups) in enumerate(path):
        if place < level:
            groups = groups * (int(new.max()) + 1) + new
        elif place == level:
            groups = new
        else:
            above = np.zeros(int(old.max()) + 1, np.intp)
            above[old] = groups
            groups = above[new]
        groups = _numbered(groups)
        if not levels or groups.max() < levels[-1][1].max():
            levels.append((penalty, groups))
    return levels


def _numbered(groups: Index) -> Index:
    """Groups (n,) numbered from 0, without gaps."""
    return np.asarray(np.unique(groups, return_inverse=True)[1], np.intp)


def _own(cost: Array, groups: Index) -> Array:
    """The cost (n,) of each row's own group."""
    return np.asarray(np.take_along_axis(cost, groups[:, None], 1)[:, 0])
