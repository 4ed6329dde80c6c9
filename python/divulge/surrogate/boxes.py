"""Boxes of inputs whose class is known, which make up a tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.surrogate.thresholds import Thresholds

CHUNK = 256  # inputs compared with all boxes at a time
Box = tuple[Array, Array]


@dataclass(frozen=True)
class ToldLeaves:
    """Leaves over bins of the thresholds that their sides are.

    Attributes:
        low: the first bin of each leaf in each number, shape (L, d).
        high: the last, shape (L, d).
        value: shape (L,).
    """

    low: Index
    high: Index
    value: Array

    @property
    def leaves(self) -> int:
        """How many."""
        return len(self.value)

    def __call__(self, bins: Index) -> Array:
        """Return values (n,) of bins (n, d), of the leaf whose conditions hold: all, else the most."""
        found = np.empty(len(bins))
        for start in range(0, len(bins), CHUNK):
            some = bins[start : start + CHUNK, None]
            wrong = ((some < self.low) | (some > self.high)).sum(axis=2)
            found[start : start + CHUNK] = self.value[wrong.argmin(axis=1)]
        return found


@dataclass
class Boxes:
    """Boxes with their classes, inside of one.

    Attributes:
        low, high: that one, shape (d,) each.
        kind: np.float32 or np.float64, in which inputs are compared.
    """

    low: Array
    high: Array
    kind: Any
    boxes: list[Box] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def add(self, low: Array, high: Array, label: int) -> None:
        """Keep a box."""
        self.boxes.append((low, high))
        self.labels.append(label)

    def split(self, box: Box) -> list[Box] | None:
        """Return two parts of a box, parted at the side of known ones that cuts the fewest of them.

        Returns:
            No parts where a known box holds all of it; None where none meets it.
        """
        if not self.boxes:
            return None
        low, high = self._ends()
        meets = ((low <= box[1]) & (high >= box[0])).all(axis=1)
        if not meets.any():
            return None
        low, high = np.maximum(low[meets], box[0]), np.minimum(high[meets], box[1])
        if ((low == box[0]) & (high == box[1])).all(axis=1).any():
            return []
        number, last = min(self._side(low, high, box, i) for i in self._sided(low, high, box))[1:]
        end, start = box[1].copy(), box[0].copy()
        end[number], start[number] = last, beside(last, np.inf, self.kind)
        return [(box[0], end), (start, box[1])]

    def _sided(self, low: Array, high: Array, box: Box) -> list[int]:
        """The numbers in which known boxes (m, d) have sides inside of a box."""
        return list(map(int, np.flatnonzero(((low > box[0]) | (high < box[1])).any(axis=0))))

    def _side(self, low: Array, high: Array, box: Box, i: int) -> tuple[int, int, float]:
        """How few known boxes (m, d) a side in number i cuts, i, and the last number before the side.

        Of sides that cut as few the one with the most boxes on both sides.
        """
        inner = low[low[:, i] > box[0][i], i].astype(self.kind)
        before = np.nextafter(inner, self.kind(-np.inf)).astype(np.float64)
        sides = np.unique(np.concatenate([before, high[high[:, i] < box[1][i], i]]))
        left, right = (low[:, i, None] <= sides).sum(axis=0), (high[:, i, None] > sides).sum(axis=0)
        cost = (left + right - len(low)) * len(low) - np.minimum(left, right)
        best = int(cost.argmin())
        return int(cost[best]), i, float(sides[best])

    def _ends(self) -> tuple[Array, Array]:
        """The sides of all boxes, (L, d) each."""
        low, high = map(np.stack, zip(*self.boxes, strict=True))
        return low, high

    def contradict(self) -> bool:
        """Return whether two boxes that meet have different classes."""
        if not self.boxes:
            return False
        (low, high), labels = self._ends(), np.array(self.labels)
        for least, most, label in zip(low, high, labels, strict=True):
            others = labels != label
            if ((low[others] <= most) & (high[others] >= least)).all(axis=1).any():
                return True
        return False

    def thresholds(self) -> Thresholds:
        """Return what the sides of the boxes are, inside of the whole."""
        found = Thresholds(self.low, self.high)
        for low, high in self.boxes:
            for i in range(len(low)):
                if self.low[i] < low[i] <= self.high[i]:
                    found.add(i, np.array([beside(low[i], -np.inf, self.kind)]), low[i : i + 1])
                if self.low[i] <= high[i] < self.high[i]:
                    found.add(i, high[i : i + 1], np.array([beside(high[i], np.inf, self.kind)]))
        return found

    def leaves(self, known: Thresholds) -> ToldLeaves | None:
        """Return the boxes over the bins of the thresholds; None where there are none."""
        if not self.boxes:
            return None
        low, high = self._ends()
        first, last = (known.bins(np.clip(end, self.low, self.high)) for end in (low, high))
        return ToldLeaves(first, last, np.array(self.labels, np.float64))


def beside(number: float, end: float, kind: Any) -> float:
    """Return the next number of a kind on the way to an end."""
    return float(np.nextafter(kind(number), kind(end)))


def parts_outside(box: Box, known: Box, kind: Any) -> list[Box]:
    """Return what of a box lies outside of another one that meets it, as boxes that do not meet."""
    low, high = (end.copy() for end in box)
    found = []
    for i in np.flatnonzero((low < known[0]) | (high > known[1])):
        if low[i] < known[0][i]:
            end = high.copy()
            end[i] = beside(known[0][i], -np.inf, kind)
            found.append((low.copy(), end))
            low[i] = known[0][i]
        if high[i] > known[1][i]:
            start = low.copy()
            start[i] = beside(known[1][i], np.inf, kind)
            found.append((start, high.copy()))
            high[i] = known[1][i]
    return found
