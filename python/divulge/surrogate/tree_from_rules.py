"""A decision tree rebuilt from the rules that it gives for its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.errors import BudgetExhausted, OracleError
from divulge.oracles import Oracle
from divulge.surrogate.rule_text import RuleReader
from divulge.surrogate.thresholds import Thresholds

TRIED = 20  # inputs of a place that no told rule covers, after which rules are said not to hold there
MOST = 100_000  # answers up to which rules are asked for
CHUNK = 256  # inputs compared with all rules at a time
Box = tuple[Array, Array]


@dataclass(frozen=True)
class ToldLeaves:
    """Leaves as rules told them, over bins of the thresholds that these name.

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
class RulesOfTree:
    """The rules told so far: an input that none of them covers is asked about, until they cover the box.

    Attributes:
        oracle: tells rules.
        low, high: the box that is asked about, shape (d,) each.
        single: whether inputs are compared in float32.
        progress: called with the answers and the rules.
    """

    oracle: Oracle
    low: Array
    high: Array
    single: bool
    rng: np.random.Generator
    progress: Callable[[int, int], None] | None = None
    boxes: list[Box] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    asked: int = 0
    outside: int = 0  # answers whose rule does not hold for the input that was asked about
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kind = np.float32 if self.single else np.float64
        inner: Any = self.oracle
        while hasattr(inner, "oracle"):  # behind defences
            inner = inner.oracle
        self.reader = RuleReader(inner.names, single=self.single)

    def run(self) -> bool:
        """Ask until rules cover the box, then at both sides of each threshold; return whether all hold."""
        try:
            return self.covered() and self.holds()
        except (BudgetExhausted, OracleError) as error:
            self.notes.append(str(error))
        except KeyboardInterrupt:
            self.notes.append("interrupted by the user")
        return False

    def covered(self) -> bool:
        """Ask where no rule is known yet; return whether the rules cover the box."""
        pending, left = [(self.low, self.high)], 0
        while pending and self.asked < MOST:
            box = pending.pop()
            known = self.over(box)
            if known is None and not self.told_in(box):
                left += 1
            elif known is None:
                pending.append(box)
            else:
                pending += self.parts(box, known)
        if left or pending:
            self.notes.append(f"{left + len(pending)} places are covered by no rule that was told there")
        return not (left or pending)

    def over(self, box: Box) -> Box | None:
        """Return a known rule's box that meets another one, or None."""
        if not self.boxes:
            return None
        low, high = map(np.stack, zip(*self.boxes, strict=True))
        meets = ((low <= box[1]) & (high >= box[0])).all(axis=1)
        return self.boxes[int(meets.argmax())] if meets.any() else None

    def told_in(self, box: Box) -> bool:
        """Ask in a box until a rule is told that meets it; return whether one was."""
        for _ in range(TRIED):
            share = self.rng.random(len(self.low))
            least, most = self.ask((box[0] + share * (box[1] - box[0]))[None])[0]
            if ((least <= box[1]) & (most >= box[0])).all():
                return True
        return False

    def ask(self, points: Array) -> list[Box]:
        """Ask about points (n, d), keep their rules, and return the boxes of these."""
        held = np.clip(points.astype(self.kind).astype(np.float64), self.low, self.high)
        told = self.oracle.explain(held)
        if told.rules is None or told.labels is None:
            raise OracleError("the oracle told no rules")
        self.asked += len(points)
        found = [self.reader.box(str(rule)) for rule in told.rules]
        known = {(low.tobytes(), high.tobytes()) for low, high in self.boxes}
        for point, label, (low, high) in zip(held, told.labels, found, strict=True):
            self.outside += int(((point < low) | (point > high)).any())
            if (low <= high).all() and (low.tobytes(), high.tobytes()) not in known:
                self.boxes.append((low, high))
                self.labels.append(int(label))
        if self.progress is not None:
            self.progress(self.asked, len(self.boxes))
        return found

    def parts(self, box: Box, known: Box) -> list[Box]:
        """Return what of a box lies outside of another one, as boxes that do not meet."""
        low, high = (end.copy() for end in box)
        found = []
        for i in np.flatnonzero((low < known[0]) | (high > known[1])):
            if low[i] < known[0][i]:
                end = high.copy()
                end[i] = np.nextafter(self.kind(known[0][i]), self.kind(-np.inf))
                found.append((low.copy(), end))
                low[i] = known[0][i]
            if high[i] > known[1][i]:
                start = low.copy()
                start[i] = np.nextafter(self.kind(known[1][i]), self.kind(np.inf))
                found.append((start, high.copy()))
                high[i] = known[1][i]
        return found

    def holds(self) -> bool:
        """Ask just inside of each side of each rule; return whether every rule told holds for its input."""
        before = len(self.boxes)
        points = []
        for low, high in self.boxes:
            least, most = np.maximum(low, self.low), np.minimum(high, self.high)
            for side, end in ((low, self.low), (high, self.high)):
                for i in np.flatnonzero(np.isfinite(side) & (side != end)):
                    point = least + self.rng.random(len(least)) * (most - least)
                    point[i] = side[i]
                    points.append(point)
        if points:
            self.ask(np.stack(points))
        if self.outside or len(self.boxes) > before:
            self.notes.append(
                f"the rules of {self.outside} of {self.asked} answers do not hold for what was asked about: "
                "their thresholds are rounded, or they are no tree's"
            )
        return not self.outside and len(self.boxes) == before

    def known(self) -> Thresholds:
        """Return the thresholds that the rules name, inside of the box."""
        found = Thresholds(self.low, self.high)
        for low, high in self.boxes:
            for i in range(len(low)):
                if self.low[i] < low[i] <= self.high[i]:
                    found.add(i, np.array([self._beside(low[i], -np.inf)]), low[i : i + 1])
                if self.low[i] <= high[i] < self.high[i]:
                    found.add(i, high[i : i + 1], np.array([self._beside(high[i], np.inf)]))
        return found

    def _beside(self, number: float, end: float) -> float:
        return float(np.nextafter(self.kind(number), self.kind(end)))

    def leaves(self, known: Thresholds) -> ToldLeaves | None:
        """Return the leaves over the bins of the thresholds; None where nothing was told."""
        if not self.boxes:
            return None
        low, high = map(np.stack, zip(*self.boxes, strict=True))
        first = known.bins(np.clip(low, self.low, self.high))
        last = known.bins(np.clip(high, self.low, self.high))
        return ToldLeaves(first, last, np.array(self.labels, np.float64))
