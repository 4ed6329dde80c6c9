"""What the units known so far leave of the values, and what that says about them."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.values import Values
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.network.record import homogeneous
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.settings import REMAINDER


class Remainder(Values):
    """What the units known so far leave of the values.

    Args:
        values: where to ask.
        fit: what is known.
        blur: its relative error; kinks of that size are not seen.
    """

    def __init__(self, values: Values, fit: Fit, blur: float) -> None:
        super().__init__(values.asked)
        self.relative = max(blur, values.relative)
        self.slope = values.slope
        self.fit = fit

    def ask(self, points: Array, *, keep: bool = True) -> Array:
        """Return the values less the known part."""
        points = self.representable(points)
        return np.asarray(super().ask(points, keep=keep) - self.fit.values(homogeneous(points)))


def corrected(units: Units, left: Units) -> Units:
    """Add what is left on known hyperplanes to their jumps; a unit that this cancels was none.

    Both kinds of units are off where the base was taken, so that they are on on the same side.
    """
    ours, theirs = (u.jumps / np.linalg.norm(u.jumps[:, :-1], axis=1)[:, None] for u in (units, left))
    jumps, sides = units.jumps.copy(), units.sides.copy()
    for jump, plane in zip(left.jumps, theirs, strict=True):
        gaps = np.minimum(np.abs(ours - plane).max(axis=1), np.abs(ours + plane).max(axis=1))
        near = int(np.argmin(gaps)) if len(gaps) else 0
        if (
            len(gaps)
            and gaps[near] < REMAINDER.same_plane
            and np.linalg.norm(jump) > REMAINDER.gross * np.linalg.norm(jumps[near])
        ):
            sides[near] *= np.sign((jumps[near] + jump) @ jumps[near]) or 1.0
            jumps[near] = jumps[near] + jump
    if (jumps == units.jumps).all():
        return units
    sizes, before = (np.linalg.norm(j[:, :-1], axis=1) for j in (jumps, units.jumps))
    keep = sizes > REMAINDER.gross * before
    return Units(jumps[keep], sides[keep])
