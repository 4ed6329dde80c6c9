"""Sides of a layer beside which units are on everywhere: what they add is linear in what comes in.

With m of them, rows E (m, p) over the features p before the layer, a unit behind it has

    U = - sum_i s_i R_i a_i + c E.

Nothing shows E by itself, but over many units the part c E has rank m. Of all s the one is sought that leaves
the least of it: sum over units of |X_j|^2 in the weight (X^T X + e)^(-1/2), X_j the smallest part that makes
unit j's equations hold, again and again (reweighted least squares for low rank, Mohan and Fazel 2012). These
sides come near 0 and 1; rounded, they are right if few rows explain the rest to rounding, for there are many
more equations than unknowns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.equations import Equations
from divulge.reconstruction.deep.wide.sides import blind_to_entries, unused
from divulge.reconstruction.settings import BESIDE

Told = list[
    tuple[Array, Array, Array]
]  # of each unit: about s (r, h), about the part beside (r, p), right (r,)


def sides_beside(known: Known, units: Sequence[Equations]) -> tuple[Mask, Array] | None:
    """Return which units are turned the wrong way, shape (h,), and E (m, p); None where that is open."""
    told = [blind_to_entries(known, unit) for unit in units]
    used = ~unused(known, units)
    told = [(about[:, used], beside, right) for about, beside, right in told if len(right)]
    if len(told) < BESIDE.units:
        return None
    sides, part = low_rank_sides(told)
    bits = (sides > 0.5).astype(float)
    left = [(beside, right - about @ bits) for about, beside, right in told]
    rows = common_rows(left, part)
    if rows is None:
        return None
    turned = np.zeros(known.width, bool)
    turned[used] = bits > 0.5
    return turned, rows


def low_rank_sides(told: Told) -> tuple[Array, Array]:
    """Return s (h,), not rounded, and the part X (n, p) beside it."""
    size = told[0][1].shape[1]
    root = np.eye(size)
    hard = [beyond_beside(*unit) for unit in told]
    fixed, at = (BESIDE.hard * np.concatenate(parts) for parts in zip(*hard, strict=True))
    for lap in range(BESIDE.laps):
        inverses = [np.linalg.pinv(beside @ root, BESIDE.blind) for _, beside, _ in told]
        matrix = np.concatenate([inv @ about for inv, (about, _, _) in zip(inverses, told, strict=True)])
        right = np.concatenate([inv @ y for inv, (_, _, y) in zip(inverses, told, strict=True)])
        matrix, right = np.concatenate([matrix, fixed]), np.concatenate([right, at])
        sides = np.linalg.lstsq(matrix, right, rcond=None)[0]
        pairs = zip(inverses, told, strict=True)
        part = np.array([root @ (inv @ (y - about @ sides)) for inv, (about, _, y) in pairs])
        _, s, vt = np.linalg.svd(part, full_matrices=True)
        s = np.append(s, np.zeros(size - len(s)))
        floor = max(BESIDE.shrink ** (lap + 1), BESIDE.least) * s.max(initial=0.0)
        root = (vt.T * np.sqrt(np.sqrt(s**2 + floor**2))) @ vt
    return sides, part


def beyond_beside(about: Array, beside: Array, right: Array) -> tuple[Array, Array]:
    """Return the combinations of equations in which the part beside drops out."""
    u, s, _ = np.linalg.svd(beside, full_matrices=True)
    rank = int((s > BESIDE.blind * s.max(initial=0.0)).sum())
    out = u[:, rank:].T
    return out @ about, out @ right


def common_rows(left: list[tuple[Array, Array]], part: Array) -> Array | None:
    """Return E (m, p), of few rows, that explains what sides leave of every unit's equations, or None."""
    vt = np.linalg.svd(part, full_matrices=False)[2]
    equations = sum(np.linalg.matrix_rank(beside) for beside, _ in left)
    most = min(BESIDE.most, int(equations / BESIDE.over / sum(part.shape)))
    size = np.linalg.norm(np.concatenate([y for _, y in left]))
    for count in range(1, most + 1):
        rows = vt[:count]
        for _ in range(BESIDE.polish):
            shares = [np.linalg.lstsq(beside @ rows.T, y, rcond=None)[0] for beside, y in left]
            stacked = np.concatenate(
                [np.kron(c, beside) for c, (beside, _) in zip(shares, left, strict=True)]
            )
            flat = np.linalg.lstsq(stacked, np.concatenate([y for _, y in left]), rcond=None)[0]
            rows = np.linalg.qr(flat.reshape(count, -1).T)[0].T
        off = [y - beside @ rows.T @ np.linalg.lstsq(beside @ rows.T, y, rcond=None)[0] for beside, y in left]
        if np.linalg.norm(np.concatenate(off)) <= BESIDE.enough * size:
            return np.asarray(rows)
    return None
