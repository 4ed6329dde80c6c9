"""What answers tell of open entries where a unit is on, though no bend does.

With every unit's state known, an answer is linear in what is open: with rows r_k + N_k y_k, N_k what unit k's
equations leave open,

    f = sum over active k of w_k (r_k + N_k y_k) . (terms - terms(x*_k)) + V . p + c.

Combinations of y_k that this determines become equations of the unit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import lstsq

from divulge.arrays import Array
from divulge.reconstruction.deep.wide.last import reweighted, steepest, usual_size
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.settings import RANK, WIDE_LAST

Told = list[tuple[Array, float]]


def told_by_values(
    model: DeepModel, free: Sequence[Array], anchors: Array, points: Array, pieces: Array, enough: float
) -> list[Told]:
    """Return equations a . row = b for every unit, empty where answers tell none.

    Args:
        model: a copy of one output, its open entries chosen; most of its states are right.
        free: N_k, rows that the equations of each unit leave open, shape (r_k, h) each.
        anchors: terms at a place of each unit's hyperplane, shape (u, h).
        points: where the output is told, shape (n, d).
        pieces: shape (n, d + 1).
        enough: relative error from which on an answer is explained.
    """
    matrix, right = equations(model, free, anchors, points, pieces)
    solution = reweighted(matrix, right, steepest(pieces))
    off = np.linalg.norm(matrix @ solution - right, axis=1) / steepest(pieces)
    good = off <= enough
    rows = model.layer.rows[:, :-1]
    if good.mean() < WIDE_LAST.agree:
        return [[] for _ in free]
    stacked = matrix[good].reshape(-1, matrix.shape[2])
    scale = np.linalg.norm(stacked, axis=0)
    scale[scale == 0] = 1.0
    solution = lstsq(stacked / scale, right[good].reshape(-1), cond=RANK, lapack_driver="gelsy")[0] / scale
    if len(stacked) < stacked.shape[1]:
        return [[] for _ in free]
    _, s, vt = np.linalg.svd(stacked / scale, full_matrices=False)
    rank = int((s > WIDE_LAST.determined * s[0]).sum())
    blind = vt[rank:] / scale  # combinations that no answer tells
    told: list[Told] = []
    start = 0
    for own, row in zip(free, rows, strict=True):
        mine = slice(start, start + len(own))
        start += len(own)
        told.append(determined(own, row, solution[mine], blind[:, mine]))
    return told


def determined(own: Array, row: Array, solution: Array, blind: Array) -> Told:
    """Return the equations about one unit: combinations of what was open that nothing blind touches."""
    if not len(own):
        return []
    _, s, vt = np.linalg.svd(blind, full_matrices=True)
    hidden = int((s > WIDE_LAST.blind * max(float(np.linalg.norm(blind)), 1.0)).sum()) if len(blind) else 0
    combinations = vt[hidden:]
    values = own @ row + solution
    return [(combination @ own, float(combination @ values)) for combination in combinations]


def equations(
    model: DeepModel, free: Sequence[Array], anchors: Array, points: Array, pieces: Array
) -> tuple[Array, Array]:
    """Return matrix (n, d + 1, unknowns) and right-hand sides (n, d + 1) of (y, V, c)."""
    prefix, layer = model.prefix, model.layer
    features, jacobians, usual = prefix.features(points), prefix.jacobians(points), usual_size(points)
    levels = features @ layer.rows[:, :-1].T + layer.rows[:, -1]
    active = (levels > 0) * layer.weights[0]
    n, d = points.shape
    blocks = []
    for number, own in enumerate(free):
        block = np.empty((n, d + 1, len(own)))
        block[:, :d] = np.matmul(jacobians.transpose(0, 2, 1), own.T)
        block[:, d] = (features - anchors[number]) @ own.T / usual[:, None]
        blocks.append(active[:, number, None, None] * block)
    rest = np.zeros((n, d + 1, prefix.width + 1))
    rest[:, :d, :-1] = jacobians.transpose(0, 2, 1)
    rest[:, d, :-1], rest[:, d, -1] = features / usual[:, None], 1 / usual
    slopes = pieces[:, :-1] - np.einsum("nh,nhd->nd", active @ layer.rows[:, :-1], jacobians)
    values = np.einsum("nd,nd->n", pieces[:, :-1], points) + pieces[:, -1]
    right = np.column_stack([slopes, (values - (active * levels).sum(axis=1)) / usual])
    return np.concatenate([*blocks, rest], axis=2), right
