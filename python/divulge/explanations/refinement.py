"""Rows that find their group again: those that fused early with a neighbour of another group move over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist

from divulge.arrays import Array, Index
from divulge.explanations.fusion import weight_of_side
from divulge.explanations.local_models import LocalModels

# Of levels that are refined and that count. With up to 20 groups those that nobody asks about decide, and
# more planted cases come out worse.
MOST_GROUPS = 10
MOST_STEPS = 100
GAIN = 1e-9  # of a row's cost, below which it stays where it is
FLOOR = 1e-9  # of the cost of one group: what is below counts as this

Path = Sequence[tuple[float, Index]]


def refined(local: LocalModels, side: Array | None, path: Path, k: int) -> Path:
    """Return the path with the rows of one level in the group that costs them least.

    Looked at are the levels of 2 to 10 groups, each as it would be with that level refined; taken is the one
    for which the mean logarithm of these levels' costs is least, none where the path as it is has less.
    Without values, or of effects, rows say nothing of a group but what they fused by: the path stays.

    Args:
        local: the explanations of the rows.
        side: other numbers of the rows, shape (n, s), or None.
        path: penalties, and groups (n,) numbered from 0, from fine to coarse.
        k: neighbours, by which it is told how much `side` counts.
    """
    if local.values is None or local.kind != "slopes":
        return path
    costs = Costs(local, side, k)
    places = [place for place, (_, groups) in enumerate(path) if 1 <= groups.max() < MOST_GROUPS]
    paths = [path, *(_nested(path, place, costs.settled(path[place][1])) for place in places)]
    return min(paths, key=costs.mean_logarithm)


def refined_at(local: LocalModels, path: Path, level: int) -> Path:
    """Return the path with the rows of one level in the group whose explanation costs them least."""
    return _nested(path, level, Costs(local, None, 0).settled(path[level][1]))


class Costs:
    """What a group's explanation costs a row i: what `LocalModels.pooled` minimises, and how far off it lies.

    |s (theta - theta_i)|^2 + (f_i - b - theta . x_i)^2 + w |side_i - mean of the group's side|^2, s the
    deviations of the columns, w how much side information counts where rows fuse.
    """

    def __init__(self, local: LocalModels, side: Array | None, k: int) -> None:
        self.local = local
        weight = 0.0 if side is None else weight_of_side(local.comparable(), side, k)
        self.side = None if side is None or not weight else side * np.sqrt(weight)
        spread = local.x.std(axis=0)
        self.scale = np.where(spread > 0, spread, 0.0)

    def of(self, groups: Index) -> Array:
        """Return the cost of each of the groups for each row, shape (n, groups)."""
        local, pooled = self.local, self.local.pooled(groups)
        assert local.values is not None
        cost = cdist(local.theta * self.scale, pooled.explanations * self.scale, "sqeuclidean")
        cost += (local.values[:, None] - pooled.bases - local.x @ pooled.explanations.T) ** 2
        if self.side is not None:
            means = np.zeros((len(pooled.sizes), self.side.shape[1]))
            np.add.at(means, groups, self.side)
            cost += cdist(self.side, means / pooled.sizes[:, None], "sqeuclidean")
        return np.asarray(cost)

    def settled(self, groups: Index) -> Index:
        """Return groups in which no row would rather be in another; one that all leave is gone."""
        for _ in range(MOST_STEPS):
            cost = self.of(groups)
            best = cost.argmin(axis=1)
            moves = _own(cost, best) < (1 - GAIN) * _own(cost, groups)
            if not moves.any():
                break
            groups = _numbered(np.where(moves, best, groups))
        return groups

    def mean_logarithm(self, path: Path) -> float:
        """Return the mean logarithm of the costs of the levels of 2 to 10 groups, or the next with fewer."""
        sums = [
            (groups.max() + 1, _own(self.of(groups), groups).sum())
            for _, groups in path
            if groups.max() < MOST_GROUPS
        ]
        least = max(FLOOR * sums[-1][1], 1e-300)
        cut = [next(total for count, total in sums if count <= most) for most in range(2, MOST_GROUPS + 1)]
        return float(np.mean(np.log(np.maximum(cut, least))))


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
