"""On which side the units of the last known layer are active, from the equations of units behind it.

U = - sum_i s_i R_i a_i. With the entries R_i that are known, every equation about (R, U) is one in the s_i,
and in the entries that are not known and their products with s_i; what these could explain is left out, and
so is U at the features that are handed on beside the layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import LinearConstraint

from divulge.arrays import Array, Mask
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.equations import Equations
from divulge.reconstruction.network.orientation import integer_solution
from divulge.reconstruction.settings import ORIENTATION, TINY, WIDE_SIDES


def wrong_sides(known: Known, units: Sequence[Equations]) -> Mask | None:
    """Return which units of the last layer are turned the wrong way, or None where that is not determined."""
    matrix, right = stacked(known, units)
    used = ~unused(known, units)
    matrix, bits = matrix[:, used], np.zeros(known.width)
    if len(matrix) < used.sum():
        return None
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    if not len(s) or s[-1] <= WIDE_SIDES.rank * s[0]:
        return None
    bits[used] = vt.T @ ((u.T @ right) / s)
    turned = np.round(bits)
    whole = np.abs(bits - turned).max() <= WIDE_SIDES.whole and np.isin(turned, (0, 1)).all()
    return np.asarray(turned > 0.5) if whole else None


def no_sides(known: Known, units: Sequence[Equations]) -> bool:
    """Whether the equations hold for no sides: U then has a part that no unit of the last layer makes.

    The s_i that come nearest, whatever numbers they are, leave some of U or are far from 0 and 1. Where there
    are fewer equations than sides an integer programme looks for any that are right.
    """
    matrix, right = stacked(known, units)
    if not len(right):
        return False
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    rank = int((s > WIDE_SIDES.rank * max(float(s.max(initial=0.0)), TINY)).sum())
    left = right - u[:, :rank] @ (u[:, :rank].T @ right)
    if np.linalg.norm(left) > WIDE_SIDES.whole * np.linalg.norm(right):
        return True
    told = (vt[:rank] ** 2).sum(axis=0) > 1 - WIDE_SIDES.rank
    bits = (vt[:rank].T @ ((u[:, :rank].T @ right) / s[:rank]))[told]
    if (np.minimum(np.abs(bits), np.abs(bits - 1)) > WIDE_SIDES.whole).any():
        return True
    if known.width > ORIENTATION.most_integers:
        return False
    slack = WIDE_SIDES.whole * np.maximum(np.linalg.norm(matrix, axis=1), TINY)
    return integer_solution(known.width, [LinearConstraint(matrix, right - slack, right + slack)]) is None


def parallel(known: Known) -> bool:
    """Whether two units of the last layer have parallel hyperplanes, as max(z, 0) - max(z - 6, 0) has.

    What follows then tells s_i R_i + s_j R_j alone.
    """
    rows = known.prefix.layers[-1].rows
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY)
    sines = 1 - np.abs(np.tril(rows @ rows.T, -1))
    return bool((sines <= WIDE_SIDES.parallel).any())


def stacked(known: Known, units: Sequence[Equations]) -> tuple[Array, Array]:
    """Return all units' equations in the sides, matrix (r, h) and right-hand sides (r,)."""
    about = [about_sides(known, unit) for unit in units]
    matrix = np.concatenate([np.empty((0, known.width)), *(m for m, _ in about)])
    return matrix, np.concatenate([np.empty(0), *(y for _, y in about)])


def unused(known: Known, units: Sequence[Equations]) -> Mask:
    """Return the features that no unit was seen to bend at, though several were looked at."""
    width = known.width
    seen = np.array([unit.known[:width] for unit in units], bool).reshape(-1, width)
    rows = np.array([unit.solution[:width] for unit in units]).reshape(-1, width)
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    bends = (np.abs(rows) > WIDE_SIDES.bend * size) & seen
    return np.asarray((seen.sum(axis=0) >= WIDE_SIDES.looks) & ~bends.any(axis=0))


def about_sides(known: Known, unit: Equations) -> tuple[Array, Array]:
    """Return one unit's equations in the sides, matrix (r, h) and right-hand sides (r,)."""
    matrix, _, right = blind_to_entries(known, unit)
    return matrix, right


def blind_to_entries(known: Known, unit: Equations) -> tuple[Array, Array, Array]:
    """Return one unit's equations that hang on no open entry.

    Matrices of the sides (r, h) and of what else U has in it (r, p), and right-hand sides (r,).
    """
    width = known.width
    in_row, in_rest = unit.basis[:, :width], unit.basis[:, width:]
    seen = unit.known[:width]
    turned = -(in_rest @ known.prefix.layers[-1].rows.T)  # column i times s_i R_i
    right = unit.basis @ unit.solution - in_row[:, seen] @ unit.solution[:width][seen]
    matrix = np.zeros((len(unit), width))
    matrix[:, seen] = turned[:, seen] * unit.solution[:width][seen]
    unknown = np.concatenate([in_row[:, ~seen], turned[:, ~seen], in_rest[:, known.loose]], axis=1)
    if unknown.size:
        u, s, _ = np.linalg.svd(unknown, full_matrices=False)
        u = u[:, s > WIDE_SIDES.blind * max(float(s.max(initial=0.0)), TINY)]
        matrix, right, in_rest = (part - u @ (u.T @ part) for part in (matrix, right, in_rest))
    scale = max(float(np.linalg.norm(unit.solution[:width][seen])), TINY)
    return matrix / scale, in_rest / scale, right / scale


def without_rest(known: Known, unit: Equations, turned: Mask, beside: Array) -> Equations:
    """Return a unit's equations in R and in what is handed on beside the layer, once the sides are known.

    Args:
        known: the layers before.
        unit: the unit's equations in R and U.
        turned: which units of the last layer are turned the wrong way, shape (h,).
        beside: rows over the features before that layer, shape (m, p).
    """
    width, out = known.width, Equations(known.width + len(beside))
    rows = known.prefix.layers[-1].rows
    for terms, right in unit.asked:
        low = terms[width:]
        out.add(np.append(terms[:width] - turned * (rows @ low), beside @ low), right)
    return out
