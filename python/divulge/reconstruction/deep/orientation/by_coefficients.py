"""Which side of its bent hyperplane a unit of an inner layer is active on.

At a point x the gradient is g = sum over active units j of gamma_j (r_j . J(x)), J the features' Jacobian.
Where the rows r_j . J(x) are independent one least-squares solve gives every gamma_j. A coefficient that is
not zero proves that its unit is active there; one that is zero only suggests that it is not, for what follows
the unit may be dead.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import COEFFICIENTS, RANK, TINY


def independent_points(prefix: Prefix, units: Candidates, points: Array, most: int) -> Array:
    """Return up to `most` of the points at which the units' gradients are best told apart, best first."""
    if len(units) > min(prefix.width, prefix.input_size):
        return points[:0]
    if not prefix.layers:  # all points are alike
        values = np.linalg.svd(units.rows, compute_uv=False)
        return points[: most if values[-1] * COEFFICIENTS.worst_condition > values[0] else 0]
    crowded = np.argsort(-prefix.masks(points).sum(axis=1), kind="stable")
    points = points[crowded[: 2 * most]]
    slopes = units.rows @ prefix.jacobians(points)
    squares = np.linalg.eigvalsh(slopes @ slopes.transpose(0, 2, 1))
    condition = np.sqrt(squares[:, -1] / np.maximum(squares[:, 0], TINY))
    order = np.argsort(condition, kind="stable")[:most]
    return np.asarray(points[order[condition[order] < COEFFICIENTS.worst_condition]])


def coefficients(prefix: Prefix, units: Candidates, points: Array, gradients: Array) -> tuple[Array, Array]:
    """Return gamma at every point, shape (n, c), and the relative residuals, shape (n,)."""
    if not prefix.layers:
        gamma = gradients @ np.linalg.pinv(units.rows, rcond=RANK)
        off = np.linalg.norm(gamma @ units.rows - gradients, axis=1)
        return gamma, off / np.maximum(np.linalg.norm(gradients, axis=1), TINY)
    gamma, residual = np.empty((len(points), len(units))), np.empty(len(points))
    for n, (jacobian, gradient) in enumerate(zip(prefix.jacobians(points), gradients, strict=True)):
        basis = (units.rows @ jacobian).T
        gamma[n] = np.linalg.lstsq(basis, gradient, rcond=RANK)[0]
        residual[n] = np.linalg.norm(basis @ gamma[n] - gradient) / max(np.linalg.norm(gradient), TINY)
    return gamma, residual


def votes(prefix: Prefix, units: Candidates, points: Array, gamma: Array, zero: Array) -> tuple[Mask, Mask]:
    """Return which units to turn over, and of which that is certain, shape (c,) each.

    Args:
        prefix: the layers before.
        units: the layer's units, orientation open.
        points: where the coefficients were found, shape (n, d).
        gamma: shape (n, c).
        zero: size below which a point's coefficient is rounding, shape (n, 1).
    """
    above = prefix.features(points) @ units.rows.T + units.offsets > 0
    active = np.abs(gamma) > zero
    right, wrong = (active & above).sum(axis=0), (active & ~above).sum(axis=0)
    quiet_above, quiet_below = (~active & above).sum(axis=0), (~active & ~above).sum(axis=0)
    proven = (right > 0) ^ (wrong > 0)
    turned = np.where(right + wrong > 0, wrong > right, quiet_above > quiet_below)
    return turned, proven
