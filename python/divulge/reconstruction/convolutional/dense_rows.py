"""Rows of a dense layer behind known features, put together from what neighbouring pieces differ by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.convolutional.pulled_back import Piece
from divulge.reconstruction.convolutional.rows import Row
from divulge.reconstruction.convolutional.window import Fragment
from divulge.reconstruction.settings import CONV_DENSE, TINY


@dataclass(frozen=True)
class Difference:
    """What two pieces differ by: sum_j w_j (r_j, b_j) over the units that switch.

    Attributes:
        change: of slopes, then of the level, shape (q + 1,); 0 where it is not told.
        told: where a feature is on in both, and for the level, shape (q + 1,).
        lit: where a feature is on in either, shape (q + 1,).
        scale: the largest slope.
    """

    change: Array
    told: Mask
    lit: Mask
    scale: float


def difference(before: Piece, after: Piece) -> Difference:
    """Return what two pieces differ by."""
    told = np.append(before.on & after.on, True)
    change = np.append(after.slopes - before.slopes, after.level - before.level)
    scale = max(float(np.abs(before.slopes).max()), float(np.abs(after.slopes).max()), TINY)
    return Difference(np.where(told, change, 0.0), told, np.append(before.on | after.on, False), scale)


def fragment_of(between: Difference) -> Fragment:
    """A difference as that of one unit."""
    size = max(float(np.linalg.norm(between.change)), TINY)
    return Fragment(between.change / size, between.told.copy(), 0.0, int(between.told.sum()))


@dataclass
class DenseRow(Row):
    """A unit: its row over features, then the offset; `weights` say by how much slopes jumped each time.

    Attributes:
        jumps: w at every crossing that was explained, upwards.
        missed: times that it should have switched and did not.
    """

    jumps: list[float] = field(default_factory=list)
    missed: int = 0


class DenseRows:
    """Rows that were seen twice, and such that were seen once.

    Attributes:
        rows: the units.
        seen: (fragment, walk) of differences that no unit explained.
    """

    def __init__(self, tolerance: float, alike: float) -> None:
        self.tolerance = tolerance
        self.alike = alike
        self.rows: list[DenseRow] = []
        self.seen: list[tuple[Fragment, int]] = []
        self.crossings = 0

    def switched(self, before: Piece, after: Piece) -> tuple[Index, Index, Array]:
        """Units that switch between two pieces, others that might, and the way (1.0 or -1.0) of the first.

        Entries of features that are on are not known of the others.
        """
        if not self.rows:
            return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0)
        ends = np.stack([np.append(before.features, 1.0), np.append(after.features, 1.0)])
        levels = ends @ np.stack([row.weights for row in self.rows]).T
        turned = (levels[0] > 0) != (levels[1] > 0)
        on = np.append(before.on | after.on, False)
        open_ = np.array([bool((on & ~row.known).any()) for row in self.rows])
        return np.flatnonzero(turned), np.flatnonzero(open_ & ~turned), np.sign(levels[1, turned])

    def explained(self, between: Difference, units: Index) -> Array | None:
        """Return w (m,) of units (m,) that explain what is told of a difference, or None."""
        used = between.told.copy()
        used[-1] = False
        for j in units:
            used &= self.rows[j].known
        if used.sum() < len(units) + CONV_DENSE.overlap:
            return None
        change = between.change[used]
        if not len(units):
            return np.empty(0) if np.abs(change).max() <= self.tolerance * between.scale else None
        columns = np.stack([self.rows[j].weights[used] for j in units]).T
        found = np.linalg.lstsq(columns, change, rcond=None)[0]
        left = np.abs(columns @ found - change).max()
        return found if left <= self.tolerance * between.scale else None

    def learn(self, between: Difference, units: Index, sizes: Array, ways: Array) -> None:
        """Take what an explained difference tells: jumps, and entries that only one of its units lacks.

        Args:
            between: what pieces differ by.
            units: that may have switched, those that should have first.
            sizes: w of each.
            ways: in which those switched that should have.
        """
        strength = np.abs(sizes) * [np.linalg.norm(self.rows[j].weights) for j in units]
        did = strength > CONV_DENSE.there * between.scale
        for place, j in enumerate(units):
            if did[place] and place < len(ways):
                self.rows[j].jumps.append(float(sizes[place] * ways[place]))
            elif place < len(ways) and not self._open_at(between, int(j)):
                self.rows[j].missed += 1
        switched, sizes = units[did], sizes[did]
        self.crossings += len(switched)
        for place, j in enumerate(switched):
            others = np.delete(switched, place)
            fresh = between.told & ~self.rows[j].known
            for k in others:
                fresh &= self.rows[k].known
            if fresh.any():
                rest = between.change[fresh]
                for k, size in zip(others, np.delete(sizes, place), strict=True):
                    rest = rest - size * self.rows[k].weights[fresh]
                self.rows[j].weights[fresh] = rest / sizes[place]
                self.rows[j].known[fresh] = True

    def _open_at(self, between: Difference, unit: int) -> bool:
        return bool((between.lit & ~self.rows[unit].known).any())

    def of_known(self, found: Fragment) -> bool:
        """Whether what was seen is of a unit that is known."""
        for number in nearly(self.rows, found):
            if self.rows[number].shares(found, self.alike):
                self.rows[number].join(found)
                return True
        return False

    def keep(self, found: Fragment, walk: int) -> None:
        """Keep what was seen on a walk until it is seen on another one."""
        self.seen.append((found, walk))
        del self.seen[: -CONV_DENSE.loose]

    def again(self, found: Fragment, walk: int) -> DenseRow | None:
        """A unit of which this was seen on another walk, or None."""
        for number in nearly([other for other, _ in self.seen], found):
            other, seen_on = self.seen[number]
            row = DenseRow(other.weights.copy(), other.known.copy())
            if seen_on != walk and row.shares(found, self.alike):
                row.join(found)
                return row
        return None

    def add(self, row: DenseRow) -> None:
        """Add a unit; what was seen of it is kept no more."""
        self.seen = [pair for pair in self.seen if not row.shares(pair[0], self.alike)]
        self.rows.append(row)

    def drop_open(self) -> None:
        """Drop rows that are not whole where most are: no crossing of theirs was where it should be."""
        whole = [row for row in self.rows if row.whole]
        if len(whole) >= CONV_DENSE.share * len(self.rows):
            self.rows = whole

    def drop_false(self) -> None:
        """Drop rows whose crossings were missed too often: of a layer further behind, or of two units."""
        self.rows = [row for row in self.rows if row.missed <= max(1, len(row.jumps) // CONV_DENSE.trust)]


def nearly(rows: Sequence[Row | Fragment], found: Fragment) -> Index:
    """Which rows (n) may be a fragment's: their common entries are nearly the same up to a factor."""
    if not rows:
        return np.empty(0, np.intp)
    weights, known = np.stack([row.weights for row in rows]), np.stack([row.known for row in rows])
    weights, mine = np.where(known, weights, 0.0), np.where(found.known, found.weights, 0.0)
    sizes = np.sqrt((weights**2 @ found.known) * (known @ mine**2))
    return np.asarray(np.flatnonzero(np.abs(weights @ mine) >= CONV_DENSE.nearly * sizes))
