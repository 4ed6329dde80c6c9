"""Units whose kinks show no row one by one, as more features are on than are independent: several together.

A jump D at x says that r . J(x) is parallel to D, and that r . p(x) + b = 0: as many equations in (r, b) as J
has rank. Those of two or three kinks of one unit leave one row, and every further kink bears it out.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import JOINT, TINY


def joint_units(prefix: Prefix, points: Array, jumps: Array, tolerance: float) -> Candidates:
    """Return units that several kinks show together.

    Args:
        prefix: the layers before the units.
        points: kinks that nothing known explains, shape (m, d); the latest are looked at.
        jumps: gradients' jumps there, shape (m, d).
        tolerance: relative residual of an equation that is rounding.
    """
    points, jumps = points[-JOINT.kinks :], jumps[-JOINT.kinks :]
    masks, found = prefix.masks(points), []
    every = [equations(prefix, point, jump) for point, jump in zip(points, jumps, strict=True)]
    left = np.ones(len(points), bool)
    for size in JOINT.together:
        for chosen in combinations(range(len(points)), size):
            if not left[list(chosen)].all():
                continue
            known: Mask = np.asarray(masks[list(chosen)].any(axis=0))
            row = only_row(np.concatenate([every[k] for k in chosen]), known, tolerance)
            if row is None:
                continue
            own = left & ~(masks & ~known).any(axis=1)
            own &= np.array([np.abs(one @ row).max() <= tolerance for one in every])
            if own.sum() >= max(JOINT.members, size + 1):
                found.append((row, known, int(own.sum()), points[np.flatnonzero(own)[-1]]))
                left &= ~own
    rows = np.array([row for row, _, _, _ in found]).reshape(len(found), prefix.width + 1)
    scale = np.maximum(np.linalg.norm(rows[:, :-1], axis=1), TINY)
    return Candidates(
        rows[:, :-1] / scale[:, None],
        np.array([known for _, known, _, _ in found], bool).reshape(len(found), prefix.width),
        rows[:, -1] / scale,
        np.array([members for _, _, members, _ in found], np.intp),
        np.array([point for _, _, _, point in found]).reshape(len(found), points.shape[1]),
    )


def equations(prefix: Prefix, point: Array, jump: Array) -> Array:
    """Return what a kink (d,) says of a row and its offset, each equation of unit norm, shape (n, p + 1)."""
    jacobian, features = prefix.jacobians(point[None])[0], prefix.features(point[None])[0]
    across = np.linalg.svd(jump[None])[2][1:]
    _, sizes, basis = np.linalg.svd(across @ jacobian.T, full_matrices=False)
    basis = basis[sizes > JOINT.rank * max(float(sizes.max(initial=0.0)), TINY)]
    level = np.append(features, 1.0)
    return np.vstack([np.pad(basis, ((0, 0), (0, 1))), level / np.linalg.norm(level)])


def only_row(stacked: Array, known: Mask, tolerance: float) -> Array | None:
    """Return the one row with its offset that meets equations, of unit norm, shape (p + 1,); None if none."""
    columns = np.append(known, True)
    if len(stacked) < columns.sum():
        return None
    _, sizes, basis = np.linalg.svd(stacked[:, columns], full_matrices=False)
    if sizes[-1] > tolerance or sizes[-2] < JOINT.gap:
        return None
    row = np.zeros(len(columns))
    row[columns] = basis[-1]
    return row
