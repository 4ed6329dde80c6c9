"""All offsets at once: each query halves every unit's bracket.

With independent jumps D_j (h <= d) there is a point x with D_j . x in the middle of every unit's bracket. The
answer there, decoded by least squares, says for every unit on which side of its kink x lies: one bit a unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.settings import BISECTION


@dataclass
class Brackets:
    """Between which levels of D_j . x unit j switches, shape (h,) each: off at `off`, on at `on`."""

    off: Array
    on: Array

    def middle(self) -> Array:
        """Return the middle of every bracket."""
        return (self.off + self.on) / 2


def bisect(
    transcript: Transcript, jumps: Array, base: Array, brackets: Brackets, told: Callable[[Brackets], None]
) -> Brackets:
    """Narrow the brackets until rounding, one query a step.

    Args:
        transcript: where to ask.
        jumps: D_j, the gradient with unit j on minus that with it off, independent, shape (h, d).
        base: the gradient with every unit off, shape (d,).
        brackets: what is known so far.
        told: called after every step.
    """
    inverse, sizes = np.linalg.pinv(jumps), np.linalg.norm(jumps, axis=1)
    for _ in range(BISECTION.most_queries):
        row = transcript.ask((inverse @ brackets.middle())[None])[0]
        level = jumps @ transcript.points[row, :-1]
        is_on = (transcript.pieces[row, :-1] - base) @ inverse > 0.5
        inside = (level - brackets.off) * (level - brackets.on) < 0
        brackets = Brackets(
            np.where(inside & ~is_on, level, brackets.off), np.where(inside & is_on, level, brackets.on)
        )
        told(brackets)
        rounding = BISECTION.rounding * transcript.noise * sizes * np.linalg.norm(transcript.points[row])
        if np.all(np.abs(brackets.on - brackets.off) <= rounding):
            break
    return brackets


def sharpened(transcript: Transcript, fit: Fit, told: Callable[[Brackets], None]) -> Fit:
    """Bisect the offsets where rounding leaves the tangents' crossings blunt.

    Without independent jumps, in a box, or where a unit was never seen to switch, the fit is returned as it
    is.
    """
    jumps = fit.units.jumps[:, :-1]
    if transcript.domain is not None or np.linalg.matrix_rank(jumps) < len(jumps):
        return fit
    levels = transcript.points[:, :-1] @ jumps.T
    on = (transcript.pieces[:, :-1] - fit.base[:-1]) @ np.linalg.pinv(jumps) > 0.5
    sides = fit.units.sides
    lowest = np.where(on, levels * sides, np.inf).min(axis=0) * sides
    highest = np.where(on, -np.inf, levels * sides).max(axis=0) * sides
    if not (np.isfinite(lowest) & np.isfinite(highest)).all():
        return fit
    found = bisect(transcript, jumps, fit.base[:-1], Brackets(highest, lowest), told)
    return Fit(Units(np.column_stack([jumps, -found.middle()]), sides), fit.base, fit.error)
