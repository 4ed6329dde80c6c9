"""Pieces at which known units of the last dense layer leave something of slopes, and which leave the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.settings import CONV_DENSE, CONV_REST


@dataclass(frozen=True)
class Rest:
    """What is left at pieces, of what is left at most of them.

    Attributes:
        left: of slopes, then of the level, shape (n, q + 1); NaN where it is not told.
        odd: rows at which something is left, shape (m,).
        usual: slopes that are left at the others, shape (q,); NaN where they are not told.
        scale: the largest slope.
    """

    left: Array
    odd: Index
    usual: Array
    scale: float

    def same_as(self, slopes: Array) -> Index:
        """Which of the odd ones leave the same, slopes (q,) with NaN where they are open."""
        gaps = np.abs(self.left[self.odd, :-1] - slopes)
        common = ~np.isnan(gaps)
        size = max(float(np.nanmax(np.abs(slopes))), CONV_REST.nothing * self.scale)
        near = np.nan_to_num(gaps).max(axis=1) <= CONV_DENSE.steady * size
        shown = np.where(common, np.abs(np.nan_to_num(slopes)), 0.0).max(axis=1) > CONV_DENSE.share * size
        return np.asarray(np.flatnonzero(near & shown & (common.sum(axis=1) >= CONV_REST.overlap)))

    def alike(self) -> list[Index]:
        """Odd ones that leave the same, the most first; each is in one of them at most."""
        groups = [self.same_as(self.left[row, :-1]) for row in self.odd]
        found, taken = [], np.zeros(len(self.odd), bool)
        for group in sorted(groups, key=len, reverse=True):
            if len(group) >= CONV_REST.twice and not taken[group].any():
                found.append(group)
                taken[group] = True
        return found
