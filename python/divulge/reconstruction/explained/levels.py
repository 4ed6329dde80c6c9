"""How far from the baseline every unit switches, read from counts of steps behind its kink."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.settings import MEAN_GRADIENTS, TINY


@dataclass
class Levels:
    """The levels D_j . u of all units, between which they switch.

    Attributes:
        low, high: |D_j . u| below and above the kink, shape (h,).
        towards: on which side of the origin it lies, +1 or -1, shape (h,).
    """

    low: Array
    high: Array
    towards: Array

    def open(self, rounding: Array) -> bool:
        """Whether any bracket is wider than the rounding of a level, shape (h,)."""
        return bool((self.high - self.low > rounding).any())

    def next(self) -> Array:
        """Return where to ask next, |D_j . u|: in the middle, or twice as far out, shape (h,)."""
        found = np.isfinite(self.high)
        middle = (self.low + np.where(found, self.high, 0.0)) / 2
        return np.where(found, middle, np.maximum(MEAN_GRADIENTS.first, 2 * self.low))


def with_levels(transcript: Transcript, far: Fit, alphas: Array) -> Fit | None:
    """Return the fit with every unit's offset, or None where counts of steps are not whole.

    An answer at u shows for every unit at how many of the places a u it is on: D being independent, D . u is
    chosen for all units at once, so that the last step halves every bracket.

    Args:
        transcript: whom to ask, near the origin.
        far: jumps D, sides and base.
        alphas: the places a of the steps, rising, shape (m,).

    Raises:
        Stopped: the oracle can be asked no further.
    """
    jumps, sides = far.units.jumps[:, :-1], far.units.sides
    inverse = np.asarray(np.linalg.pinv(jumps), np.float64)
    start = transcript.ask((inverse @ (MEAN_GRADIENTS.near * sides))[None])
    on_at_start = _share(transcript, start[0], far, inverse) > 0.5
    levels = Levels(np.zeros(len(jumps)), np.full(len(jumps), np.inf), np.where(on_at_start, -sides, sides))
    places = np.concatenate([[0.0], alphas, [np.inf]])
    sizes = np.linalg.norm(jumps, axis=1)
    for _ in range(MEAN_GRADIENTS.most_queries):
        point = inverse @ (levels.towards * levels.next() / alphas[-1])
        row = transcript.ask(point[None])[0]
        point = transcript.points[row, :-1]
        share = _share(transcript, row, far, inverse)
        passed = len(alphas) * np.where(on_at_start, 1 - share, share)
        counts = np.rint(passed)
        if np.abs(passed - counts).max(initial=0.0) > MEAN_GRADIENTS.step:
            return None
        first = len(alphas) - np.clip(counts, 0, len(alphas)).astype(np.intp)  # steps before the kink
        level = np.maximum(jumps @ point * levels.towards, TINY)
        levels.low = np.maximum(levels.low, places[first] * level)
        levels.high = np.minimum(levels.high, places[first + 1] * level)
        if not levels.open(MEAN_GRADIENTS.rounding * transcript.noise * sizes * np.linalg.norm(point)):
            break
    offsets = -levels.towards * (levels.low + levels.high) / 2
    return Fit(Units(np.column_stack([jumps, offsets]), sides), far.base, 0.0)


def _share(transcript: Transcript, row: int, far: Fit, inverse: Array) -> Array:
    """The share of steps at which each unit is on, shape (h,)."""
    return np.asarray((transcript.pieces[row, :-1] - far.base[:-1]) @ inverse)
