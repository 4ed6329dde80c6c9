"""States near a kink, where a jump's own hyperplane is too blunt to predict them: the answers tell.

The offset of a jump is known to the rounding of the answers at the two ends of its edge, which grows with
their distance from the origin. At points that lie nearer to the hyperplane than that the state is taken from
the span test itself: with N an orthonormal basis of what is orthogonal to the columns of [1, G], a unit's
states obey N' s = 0, linear in the few entries that are open.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.settings import STATES


def settle_states(levels: Array, blur: Array, complement: Array, allowed: Array) -> tuple[Mask, Array]:
    """Settle the open entries of predicted states where the prediction itself fails the span test.

    Args:
        levels: signed distance of every point from every candidate's hyperplane, shape (c, n).
        blur: error of these, shape (c, n); 0 where the state is certain.
        complement: N, shape (n, k).
        allowed: distance from the column space that counts as inside, shape (c,).

    Returns:
        States, shape (c, n), and their distance |N' s| from the column space, shape (c,).
    """
    states = levels > 0
    off = np.linalg.norm(states @ complement, axis=1)
    sharp = np.linalg.norm(complement, axis=1) > STATES.leverage
    near = (np.abs(levels) <= blur) & sharp
    most = min(STATES.most_open, complement.shape[1] // 2)
    for row in np.flatnonzero((off > allowed) & near.any(axis=1)):
        entries = np.flatnonzero(near[row])
        entries = entries[np.argsort(np.abs(levels[row, entries]) / blur[row, entries], kind="stable")][:most]
        change = np.linalg.lstsq(complement[entries].T, -(states[row] @ complement), rcond=None)[0]
        states[row, entries] = states[row, entries] + change > 0.5
        off[row] = np.linalg.norm(states[row] @ complement)
    return states, off


def shifts(levels: Array, states: Mask) -> Array:
    """How far every hyperplane must move so that all points lie on the side of their state, shape (c,).

    0 where they do; NaN where no shift will do.
    """
    lowest = np.where(states, -levels, -np.inf).max(axis=1, initial=-np.inf)
    highest = np.where(states, np.inf, -levels).min(axis=1, initial=np.inf)
    agrees = (lowest < 0) & (highest >= 0)
    with np.errstate(invalid="ignore"):
        return np.where(agrees, 0.0, np.where(lowest < highest, (lowest + highest) / 2, np.nan))
