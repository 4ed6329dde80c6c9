"""One output on units whose weights their jumps tell: what is left is linear in the features.

    f(x) - sum_k w_k max(R_k . p + b_k, 0) = V . p + c.

Units that are missing, and states that are wrong, spoil single answers: reweighted least squares leaves these
out, and they show where to search on.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lstsq

from divulge.arrays import Array, Index
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import RANK, TINY, WIDE_LAST


def with_linear_rest(prefix: Prefix, layer: Layer, weights: Array, points: Array, pieces: Array) -> DeepModel:
    """Solve for the linear part beside units, and return the network.

    Args:
        prefix: the layers before the units.
        layer: the units, no output yet.
        weights: of the output, shape (u,).
        points: where it is told, shape (n, d).
        pieces: affine pieces there, shape (n, d + 1).
    """
    features, jacobians = prefix.features(points), prefix.jacobians(points)
    rows, offsets = layer.rows[:, :-1], layer.rows[:, -1]
    levels = features @ rows.T + offsets
    active = (levels > 0) * weights
    slopes = pieces[:, :-1] - np.einsum("nh,nhd->nd", active @ rows, jacobians)
    values = np.einsum("nd,nd->n", pieces[:, :-1], points) + pieces[:, -1]
    usual = usual_size(points)
    n, d = points.shape
    matrix = np.zeros((n, d + 1, prefix.width + 1))
    matrix[:, :d, :-1] = jacobians.transpose(0, 2, 1)
    matrix[:, d, :-1], matrix[:, d, -1] = features / usual[:, None], 1 / usual
    right = np.column_stack([slopes, (values - (active * levels).sum(axis=1)) / usual])
    base = reweighted(matrix, right, steepest(pieces))
    return DeepModel(prefix, Layer(layer.rows, weights[None], base[None]))


def errors(model: DeepModel, points: Array, pieces: Array) -> Array:
    """Return the relative errors of a copy of one output at points (n, d) with known pieces, shape (n,)."""
    off = model.pieces(points, 0) - pieces
    values = (np.einsum("nd,nd->n", off[:, :-1], points) + off[:, -1]) / usual_size(points)
    slopes = np.linalg.norm(off[:, :-1], axis=1)
    return np.asarray(np.maximum(slopes, np.abs(values)) / steepest(pieces))


def unlike(model: DeepModel, points: Array, pieces: Array, rng: np.random.Generator) -> Index:
    """Return one wrong answer for each direction in which slopes are off: one cause makes one direction."""
    off = (model.pieces(points, 0) - pieces)[:, :-1]
    off = off / np.maximum(np.linalg.norm(off, axis=1, keepdims=True), TINY)
    order = rng.permutation(len(points))
    _, first = np.unique(np.round(off[order], WIDE_LAST.decimals), axis=0, return_index=True)
    return np.asarray(order[np.sort(first)])


def usual_size(points: Array) -> Array:
    """Return how large values are at points (n, d) where slopes are 1, shape (n,)."""
    return np.asarray(1.0 + np.linalg.norm(points, axis=1) / np.sqrt(points.shape[1]))


def steepest(pieces: Array) -> float:
    """Return the length of the largest gradient."""
    return max(float(np.linalg.norm(pieces[:, :-1], axis=1).max(initial=0.0)), TINY)


def reweighted(matrix: Array, right: Array, size: float) -> Array:
    """Return what minimises the sum of |matrix_n . solution - right_n|, of answers of about a size."""
    weight = np.ones(len(matrix))
    for _ in range(WIDE_LAST.reweightings):
        stacked = (matrix * weight[:, None, None]).reshape(-1, matrix.shape[2])
        scale = np.linalg.norm(stacked, axis=0)
        scale[scale == 0] = 1.0
        answer = lstsq(
            stacked / scale, (right * weight[:, None]).reshape(-1), cond=RANK, lapack_driver="gelsy"
        )
        solution = answer[0] / scale
        off = np.linalg.norm(matrix @ solution - right, axis=1) / size
        weight = 1.0 / np.maximum(off, WIDE_LAST.least)
    return np.asarray(solution)
