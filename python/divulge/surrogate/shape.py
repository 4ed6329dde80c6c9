"""A function of one number, known at places: constant, a line, steps, or a curve."""

from __future__ import annotations

from typing import Any

import numpy as np

from divulge.arrays import Array
from divulge.surrogate.usual_cuts import UsualCuts

SAME = 1e-7  # relative difference of equal values: those of float32 margins differ by rounding
NOISE = 1e-14  # of the largest SHAP value: what sums of others leave in one that is 0
LEVELS = 12  # gaps halved in a row with a change in both halves: no steps, a curve
NEAR = 1e-6  # of the range: a gap within which numbers may be of many sizes
KINDS = 100  # numbers of a column that holds few
FEW = 4  # places from which on a line is believed


class Shape:
    """What is known of f_i: sorted places and values.

    Args:
        single: whether places are told apart in float32.
        hints: numbers that data hold: models put thresholds at these, or half-way between two of them. A jump
            that is not there is bisected, some answers later.
        usual: where jumps were found before, beside those of other shapes.

    Attributes:
        x, y: places, rising, and the values there, shape (m,) each.
        curved: whether it is taken for a curve, which is interpolated.
        scale: of the SHAP values of all numbers, 1e-14 of which is rounding in any of them.
    """

    def __init__(self, single: bool, hints: Array | None = None, usual: UsualCuts | None = None) -> None:
        self.single = single
        self.usual = UsualCuts() if usual is None else usual
        self.hints = np.empty(0) if hints is None else np.unique(self._held(hints))
        self.x, self.y = np.empty(0), np.empty(0)
        self.curved = False
        self.scale = 0.0
        self._line: tuple[float, float] | None = None
        self._counted = np.empty(0)

    @property
    def spread(self) -> float:
        """Largest less smallest value."""
        return float(np.ptp(self.y)) if len(self.y) else 0.0

    @property
    def _allowed(self) -> float:
        """Difference of values that counts as none."""
        return max(SAME * max(float(np.abs(self.y).max(initial=0.0)), 1e-12), NOISE * self.scale)

    @property
    def linear(self) -> bool:
        """Whether all places lie on one line that is not flat."""
        return self._line is not None

    @property
    def few(self) -> bool:
        """Whether the data hold few numbers, as categories, one of which may be told apart alone."""
        return 0 < len(self.hints) <= KINDS

    def unasked(self, low: float, high: float) -> Array:
        """Return the numbers from low to high that data hold and that were not asked about, shape (m,)."""
        inside = (low <= self.hints) & (self.hints <= high)
        return np.setdiff1d(self.hints[inside], self.x)

    def add(self, x: Array, y: Array) -> None:
        """Keep values y (n,) at places x (n,)."""
        places, first = np.unique(np.concatenate([self.x, x]), return_index=True)
        values = np.concatenate([self.y, y])[first]
        self.x, self.y = places, values
        if len(self.hints):
            self._count()
        self._line = self._as_line()
        if self._line is None and not self.curved:
            self.curved = self._looks_curved()

    def known(self, x: Array) -> Array:
        """Return the values at places x (n,) that were asked about."""
        return np.asarray(self.y[np.clip(np.searchsorted(self.x, x), 0, len(self.x) - 1)])

    def __call__(self, x: Array) -> Array:
        """Return values at places x (n,): between places the line's, the curve's, or those left of a jump."""
        if self._line is not None:
            return np.asarray(self._line[0] * x + self._line[1])
        if self.curved or not len(self.x):
            return np.interp(x, self.x, self.y) if len(self.x) else np.zeros(len(x))
        place = np.searchsorted(self.x, self._held(x), side="right") - 1
        return np.asarray(self.y[np.clip(place, 0, len(self.x) - 1)])

    def open(self) -> float | None:
        """Return where to ask in the narrowest gap across which the value jumps; None if there is none."""
        if self._line is not None or self.curved:
            return None
        gaps = np.flatnonzero(np.abs(np.diff(self.y)) > self._allowed)
        for gap in gaps[np.argsort((self.x[1:] - self.x[:-1])[gaps], kind="stable")]:
            middle = self._between(float(self.x[gap]), float(self.x[gap + 1]))
            if self.x[gap] < middle < self.x[gap + 1]:
                return middle
        return None

    def thresholds(self) -> tuple[Array, Array]:
        """Return the last places left of jumps, and the first right of them."""
        if self._line is not None or self.curved:
            return np.empty(0), np.empty(0)
        jumps = np.flatnonzero(np.abs(np.diff(self.y)) > self._allowed)
        return self.x[jumps], self.x[jumps + 1]

    def closed(self) -> tuple[Array, Array]:
        """Return those thresholds whose two places are neighbours."""
        left, right = self.thresholds()
        kind = np.float32 if self.single else np.float64
        near = np.nextafter(left.astype(kind), kind(np.inf)) >= right
        return left[near], right[near]

    def _between(self, low: float, high: float) -> float:
        """Where to ask between places: at hints, beside and half-way between them, else in the middle."""
        first, last = np.searchsorted(self.hints, [low, high], side="right")
        last -= int(last > 0 and self.hints[last - 1] == high)
        if first < last:
            return float(self.hints[(first + last) // 2])
        if first > 0 and last < len(self.hints):
            for left, right in self.usual.pairs(self.hints[first - 1], self.hints[last], self.single):
                if low <= left and right <= high:
                    return left if low < left else right
        return self._middle(low, high)

    def _middle(self, low: float, high: float) -> float:
        """The middle of two places, or, of near ones around 0, the middle of all numbers between them.

        Halves of what lies beside 0 end after 1,075 answers.
        """
        near = high - low < NEAR * float(self.x[-1] - self.x[0])
        if not near or 0 < low < high < 2 * low or 0 > high > low > 2 * high:
            return float(self._held(low + (high - low) / 2))
        kind, whole = (np.float32, np.int32) if self.single else (np.float64, np.int64)
        ranks = [
            int(np.array(abs(place), kind).view(whole)) * (-1 if place < 0 else 1) for place in (low, high)
        ]
        rank = (ranks[0] + ranks[1]) // 2
        return float(np.copysign(np.array(abs(rank), whole).view(kind), rank))

    def _count(self) -> None:
        """Count where thresholds were found between two numbers of the data."""
        left, right = self.closed()
        if len(left) == len(self._counted):
            return
        for low, high in zip(left, right, strict=True):
            place = int(np.searchsorted(self.hints, low, side="right"))
            if low not in self._counted and 0 < place < len(self.hints):
                ends = float(self.hints[place - 1]), float(self.hints[place])
                self.usual.found((float(low), float(high)), *ends, self.single)
        self._counted = left

    def _held(self, numbers: Any) -> Any:
        """Return numbers as inputs are held."""
        return (
            np.asarray(numbers, np.float32).astype(np.float64) if self.single else np.asarray(numbers, float)
        )

    def _as_line(self) -> tuple[float, float] | None:
        """Slope and offset where all places lie on one line that is not flat."""
        if len(self.x) < FEW or self.spread <= self._allowed:
            return None
        ends = self.x[[0, -1]]
        slope = float((self.y[-1] - self.y[0]) / (ends[1] - ends[0]))
        offset = float(self.y[0] - slope * ends[0])
        off = np.abs(slope * self.x + offset - self.y).max()
        return (slope, offset) if off <= self._allowed else None

    def _looks_curved(self) -> bool:
        """Whether many neighbouring gaps, one within the other's half, all change."""
        change = np.abs(np.diff(self.y)) > self._allowed
        widths = np.diff(self.x)[change]
        if len(widths) < LEVELS:
            return False
        narrow = np.sort(widths)
        halving = narrow[1:] / np.maximum(narrow[:-1], np.finfo(float).tiny)
        run = np.flatnonzero(~((halving > 1.5) & (halving < 2.7)))
        lengths = np.diff(np.concatenate([[-1], run, [len(halving)]])) - 1
        return bool(lengths.max() >= LEVELS - 2)
