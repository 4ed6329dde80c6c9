"""Which side of its hyperplane every unit is active on.

w max(z, 0) and w z + w max(-z, 0) are the same function, so a unit's orientation shows only in the affine
part: in a network without a skip connection it must vanish. With beta_j = 1 for the units to turn over that
reads

    base_k + sum_j beta_j w_kj r_j = 0   (gradients, for every output k),   beta in {0, 1}^h.

One least-squares solve decides it where the w_k r are independent. Otherwise the box 0 <= beta <= 1 is asked
by a linear programme in two opposite directions, and where that leaves a choice, an integer programme.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from divulge import _core
from divulge.arrays import Array
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.settings import ORIENTATION


@dataclass
class Orientation:
    """A layer with its units turned the right way.

    Attributes:
        layer: the layer.
        slope: whether an affine part remains.
        decided: whether that is all there is to know: either exactly one orientation removes the affine part,
        or none.
    """

    layer: Layer
    slope: bool
    decided: bool


def orient(layer: Layer, tolerance: float) -> Orientation:
    """Turn units over so that the affine part vanishes, if it can."""
    if not len(layer):
        return Orientation(layer, slope=layer.slope_share() > 0, decided=True)
    matrix = np.concatenate([(weights[:, None] * layer.rows[:, :-1]).T for weights in layer.weights])
    target = -layer.base[:, :-1].reshape(-1)
    allowed = tolerance * float(np.abs(layer.weights).sum(axis=1).max())
    jumps, slope = (matrix.T, target) if len(layer.weights) == 1 else reduced(matrix, target)
    if len(jumps) > jumps.shape[1]:
        return by_programme(layer, matrix, target, allowed)
    first = _core.sign_pattern(np.ascontiguousarray(jumps), np.ascontiguousarray(-slope))
    turned = np.round(np.clip(np.nan_to_num(first.beta), 0, 1)).astype(bool)
    certain = first.condition * tolerance < ORIENTATION.certain
    if certain and explains(matrix, target, turned, allowed):
        return finished(layer, turned, decided=True)
    if certain:
        return Orientation(layer.flip(turned), slope=True, decided=True)
    return by_programme(layer, matrix, target, allowed)


def reduced(matrix: Array, target: Array) -> tuple[Array, Array]:
    """Compress many equations for few unknowns by a QR factorisation."""
    if matrix.shape[0] <= 2 * matrix.shape[1]:
        return matrix.T, target
    q, r = np.linalg.qr(matrix)
    return r.T, q.T @ target


def explains(matrix: Array, target: Array, turned: NDArray[np.bool_], allowed: float) -> bool:
    """Whether turning these units over removes the affine part."""
    return bool(np.linalg.norm(matrix @ turned - target) <= allowed)


def finished(layer: Layer, turned: NDArray[np.bool_], decided: bool) -> Orientation:
    """Turn the units over and clear the rounding that is left of the affine part."""
    turned_layer = layer.flip(turned)
    turned_layer.base[:, :-1] = 0.0
    return Orientation(turned_layer, slope=False, decided=decided)


def by_programme(layer: Layer, matrix: Array, target: Array, allowed: float) -> Orientation:
    """Decide by linear and integer programmes."""
    rows, right = reduced(matrix, target)
    rows = rows.T
    ends = []
    rng = np.random.default_rng(0)
    objective = rng.standard_normal(len(layer))
    for sign in (1.0, -1.0):
        answer = linprog(sign * objective, A_eq=rows, b_eq=right, bounds=(0, 1))
        if answer.status != 0:
            return Orientation(layer, slope=True, decided=answer.status == ORIENTATION.infeasible)
        ends.append(answer.x)
    turned = ends[0] > 0.5
    if np.abs(ends[0] - ends[1]).max() < ORIENTATION.unique and explains(
        matrix, target, turned, ORIENTATION.slack * allowed
    ):
        return finished(layer, turned, decided=True)
    if len(layer) > ORIENTATION.most_integers:
        return Orientation(layer, slope=True, decided=False)
    return by_integers(layer, rows, right, allowed)


def by_integers(layer: Layer, rows: Array, right: Array, slack: float) -> Orientation:
    """Find one 0/1 solution, then ask whether there is another."""
    constraint = LinearConstraint(rows, right - slack, right + slack)
    first = integer_solution(len(layer), [constraint])
    if first is None or not explains(rows, right, first, ORIENTATION.slack * slack):
        return Orientation(layer, slope=True, decided=False)
    differs = LinearConstraint(np.where(first, -1.0, 1.0)[None], 1 - first.sum(), np.inf)
    second = integer_solution(len(layer), [constraint, differs])
    return finished(
        layer, first, decided=second is None or not explains(rows, right, second, ORIENTATION.slack * slack)
    )


def integer_solution(size: int, constraints: list[LinearConstraint]) -> NDArray[np.bool_] | None:
    """Return a 0/1 vector that meets the constraints, or None."""
    answer = milp(
        np.zeros(size),
        constraints=constraints,
        integrality=np.ones(size),
        bounds=Bounds(0, 1),
        options={"time_limit": ORIENTATION.seconds},
    )
    return None if answer.x is None else np.asarray(answer.x > 0.5)
