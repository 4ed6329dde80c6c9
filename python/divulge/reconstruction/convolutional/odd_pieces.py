"""Pieces at which known units of the last dense layer leave something of slopes, and which leave the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.settings import CONV_DENSE, CONV_REST


@dataclass(frozen=True)
class Rest:
    """What is left at pieces, of what is left at most of them.

    Attributes:
        points: features at these, then 1, shape (n, q + 1).
        left: of slopes, then of the level, shape (n, q + 1); NaN where it is not told.
        odd: rows at which something is left, shape (m,).
        usual: slopes that are left at the others, shape (q,); NaN where they are not told.
        scale: the largest slope.
    """

    points: Array
    left: Array
    odd: Index
    usual: Array
    scale: float

    def without(self, row: Array, jump: float) -> Rest:
        """What is left when a unit, its row (q + 1,), is taken off where it is above 0."""
        up = np.flatnonzero(self.points @ row > 0)
        left = self.left.copy()
        left[up] -= jump * row
        fresh = up[something_left(left[up], self.scale)]
        return replace(self, left=left, odd=np.sort(np.concatenate([np.setdiff1d(self.odd, up), fresh])))

    def on_where_nothing_is_left(self, row: Array, known: Mask, doubted: list[Array]) -> int:
        """At how many pieces nothing is left though a unit is above 0, whatever its entries not known are.

        Pieces do not count at which rows are on that are in doubt.
        """
        told = ~(self.points[:, ~known] != 0).any(axis=1)
        told[self.odd] = False
        for other in doubted:
            told &= self.points @ other <= 0
        return int((self.points[told] @ np.where(known, row, 0.0) > 0).sum())

    def same_as(self, number: int, others: Index) -> Index:
        """Which of some odd ones leave the same as one of them, both as numbers of `odd`."""
        slopes, shown = self.left[self.odd[number], :-1], CONV_DENSE.share
        gaps = np.abs(self.left[self.odd[others], :-1] - slopes)
        common = ~np.isnan(gaps)
        size = max(float(np.nanmax(np.abs(slopes))), CONV_REST.nothing * self.scale)
        near = np.nan_to_num(gaps).max(axis=1) <= CONV_DENSE.steady * size
        near &= np.where(common, np.abs(np.nan_to_num(slopes)), 0.0).max(axis=1) > shown * size
        return np.asarray(others[near & (common.sum(axis=1) >= CONV_REST.overlap)])

    def alike(self) -> list[Index]:
        """Odd ones that leave the same, the most first; each is in one of them at most.

        Only those are compared that are nearly the same by the sums of squares of what both have.
        """
        told = ~np.isnan(self.left[self.odd, :-1])
        slopes, told = np.nan_to_num(self.left[self.odd, :-1]) / self.scale, told.astype(np.float64)
        mine = slopes**2 @ told.T
        apart = mine + mine.T - 2 * slopes @ slopes.T
        nearly = apart <= CONV_REST.apart * np.minimum(mine, mine.T)
        some = np.flatnonzero(nearly.sum(axis=1) >= CONV_REST.twice)
        groups = [self.same_as(int(row), np.flatnonzero(nearly[row])) for row in some]
        found, taken = [], np.zeros(len(self.odd), bool)
        for group in sorted(groups, key=len, reverse=True):
            if len(group) >= CONV_REST.twice and not taken[group].any():
                found.append(group)
                taken[group] = True
        return found


def something_left(left: Array, scale: float) -> Mask:
    """At which pieces (n, q + 1) slopes are left, of so large ones."""
    return np.asarray(
        np.nan_to_num(np.abs(left[:, :-1])).max(axis=1, initial=0.0) > CONV_REST.nothing * scale
    )
