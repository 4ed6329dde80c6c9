"""Groups of one level found again: rows that fused early with a neighbour of another group move over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist

from divulge.arrays import Array, Index
from divulge.explanations.local_models import LocalModels, share_of_variance

MOST_STEPS = 100
GAIN = 1e-9  # of a row's cost, below which it stays where it is
ALIKE = 1e-9  # of the values' variance: what rounding makes of groups that tell as much

Path = Sequence[tuple[float, Index]]


def refined(local: LocalModels, path: Path, level: int, count: int) -> Path:
    """Return the path with one level in groups whose explanations tell most of the rows' values.

    Four are tried: the level, groups by where rows lie (`near_rows`), and both with rows moved to the group
    whose explanation costs them least. Of those alike in fidelity the first that was moved is taken.

    Args:
        local: slopes of the rows, with values.
        path: penalties, and groups (n,) numbered from 0, from fine to coarse.
        level: place in the path.
        count: groups wanted, at least the level's and fewer than those of the next finer one.
    """
    starts = path[level][1], near_rows(local.x, min(count, len(local.x)))
    tried = [_settled(local, groups) for groups in starts] + list(starts)
    told = [_fidelity(local, groups) for groups in tried]
    best = next(place for place, found in enumerate(told) if found >= max(told) - ALIKE)
    return _nested(path, level, tried[best])


def near_rows(x: Array, count: int) -> Index:
    """Return so many groups (n,) of rows (n, d) that lie near each other: Ward's, columns in deviations."""
    from sklearn.cluster import AgglomerativeClustering

    if count in (1, len(x)):
        return np.arange(len(x)) * (count > 1)
    spread = x.std(axis=0)
    return np.asarray(
        AgglomerativeClustering(count).fit_predict(x / np.where(spread > 0, spread, 1.0)), np.intp
    )


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
    """The path with other groups at a level: coarser levels join these by most rows, finer ones are parts."""
    levels: list[tuple[float, Index]] = []
    for place, (penalty, groups) in enumerate(path):
        if place < level:
            groups = _numbered(groups * (int(new.max()) + 1) + new)
        else:
            groups = new if place == level else _joined(levels[-1][1], groups)
        if not levels or groups.max() < levels[-1][1].max():
            levels.append((penalty, groups))
    if levels[-1][1].max():  # all together was the level that has more groups now
        levels.append((path[-1][0], np.zeros(len(new), np.intp)))
    return levels


def _joined(fine: Index, coarse: Index) -> Index:
    """Unions of fine groups (n,): those that have most rows in the same coarse group (n,)."""
    rows = np.zeros((int(fine.max()) + 1, int(coarse.max()) + 1))
    np.add.at(rows, (fine, coarse), 1)
    return _numbered(rows.argmax(axis=1)[fine])


def _fidelity(local: LocalModels, groups: Index) -> float:
    """The share of the values' variance that the groups' explanations tell."""
    assert local.values is not None
    return share_of_variance(local.values, local.predictions(local.pooled(groups), groups))


def _numbered(groups: Index) -> Index:
    """Groups (n,) numbered from 0, without gaps."""
    return np.asarray(np.unique(groups, return_inverse=True)[1], np.intp)


def _own(cost: Array, groups: Index) -> Array:
    """The cost (n,) of each row's own group."""
    return np.asarray(np.take_along_axis(cost, groups[:, None], 1)[:, 0])
