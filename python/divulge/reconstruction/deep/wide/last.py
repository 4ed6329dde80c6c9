"""One output on units whose weights their jumps tell: what is left is linear in the features.

    f(x) - sum_k w_k max(R_k . p + b_k, 0) = V . p + c.

Units that are missing, and states that are wrong, spoil single answers: reweighted least squares leaves these out,
and they show where to search on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import TINY, WIDE_LAST


@dataclass(frozen=True)
class LinearRest:
    """What is left beside the units.

    Attributes:
        slope: V, shape (h,).
        constant: c.
        errors: relative error of every answer, shape (n,).
    """

    slope: Array
    constant: float
    errors: Array


def linear_rest(
    prefix: Prefix, rows: Array, offsets: Array, weights: Array, points: Array, pieces: Array
) -> LinearRest:
    """Solve for the linear part beside units.

    Args:
        prefix: the layers before the units.
        rows: of the units, over its features, shape (u, h).
        offsets: shape (u,).
        weights: of the output, shape (u,).
        points: where it is told, shape (n, d).
        pieces: affine pieces there, shape (n, d + 1).
    """
    features, jacobians = prefix.features(points), prefix.jacobians(points)
    levels = features @ rows.T + offsets
    active = (levels > 0) * weights
    slopes = pieces[:, :-1] - np.einsum("nh,nhd->nd", active @ rows, jacobians)
    values = np.einsum("nd,nd->n", pieces[:, :-1], points) + pieces[:, -1]
    usual = 1.0 / (1.0 + np.linalg.norm(points, axis=1) / np.sqrt(points.shape[1]))
    values = (values - (active * levels).sum(axis=1)) * usual
    n, d = points.shape
    matrix = np.zeros((n, d + 1, prefix.width + 1))
    matrix[:, :d, :-1] = jacobians.transpose(0, 2, 1)
    matrix[:, d, :-1], matrix[:, d, -1] = features * usual[:, None], usual
    right = np.column_stack([slopes, values])
    size = max(float(np.linalg.norm(pieces[:, :-1], axis=1).max(initial=0.0)), TINY)
    solution, errors = reweighted(matrix, right, size)
    return LinearRest(solution[:-1], float(solution[-1]), errors)


def reweighted(matrix: Array, right: Array, size: float) -> tuple[Array, Array]:
    """Return what minimises the sum of |matrix_n . solution - right_n|, and these over a size, shape (n,)."""
    weight = np.ones(len(matrix))
    for _ in range(WIDE_LAST.reweightings):
        stacked = (matrix * weight[:, None, None]).reshape(-1, matrix.shape[2])
        scale = np.linalg.norm(stacked, axis=0)
        scale[scale == 0] = 1.0
        answer = np.linalg.lstsq(stacked / scale, (right * weight[:, None]).reshape(-1), rcond=WIDE_LAST.rank)
        solution = answer[0] / scale
        errors = np.linalg.norm(matrix @ solution - right, axis=1) / size
        weight = 1.0 / np.maximum(errors, WIDE_LAST.least)
    return solution, errors
