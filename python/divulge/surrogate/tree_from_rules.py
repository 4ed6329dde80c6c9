"""A decision tree rebuilt from the rules that it gives for its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from divulge.arrays import Array
from divulge.errors import BudgetExhausted, OracleError
from divulge.oracles import Oracle
from divulge.surrogate.boxes import Box, Boxes
from divulge.surrogate.rule_text import RuleReader

TRIED = 20  # inputs of a place that no told rule covers, after which rules are said not to hold there
MOST = 100_000  # answers up to which rules are asked for
PARTS = 4  # parts for each rule known from which on parting begins anew: a tree's own splits make two
FRESH = 20  # inputs anywhere that check the rules, beside those at their sides: "always" has none


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
    asked: int = 0
    outside: int = 0  # answers whose rule does not hold for the input that was asked about
    notes: list[str] = field(default_factory=list)
    known: set[tuple[bytes, bytes, int]] = field(
        default_factory=set
    )  # the boxes that rules are, with classes

    def __post_init__(self) -> None:
        self.found = Boxes(self.low, self.high, np.float32 if self.single else np.float64)
        inner: Any = self.oracle
        while hasattr(inner, "oracle"):  # behind defences
            inner = inner.oracle
        if not hasattr(inner, "names"):
            raise TypeError(f"expected a RuleOracle, which names columns, got {inner!r}")
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
        """Ask where no rule is known yet; return whether the rules cover the box.

        The box is parted at sides of known rules. Of few rules these cut many unknown ones, so that parting
        begins anew, without asking again, when as many were found as were known, or parts are many.
        """
        pending, left, parted, began = [(self.low, self.high)], 0, 0, 1
        while pending and self.asked < MOST:
            box, parted, count = pending.pop(), parted + 1, len(self.found.labels)
            if count >= 2 * began or (count > began and parted > PARTS * count):
                pending, left, parted, began = [(self.low, self.high)], 0, 0, count
                continue
            parts = self.found.split(box)
            if parts is None and not self.told_in(box):
                left += 1
            else:
                pending += [box] if parts is None else parts
        if left or pending:
            self.notes.append(f"{left + len(pending)} places are covered by no rule that was told there")
        return not (left or pending)

    def told_in(self, box: Box) -> bool:
        """Ask in a box until a rule is told that meets it; return whether one was."""
        for _ in range(TRIED):
            share = self.rng.random(len(self.low))
            least, most = self.ask((box[0] + share * (box[1] - box[0]))[None])[0]
            if ((least <= most) & (least <= box[1]) & (most >= box[0])).all():
                return True
        return False

    def ask(self, points: Array) -> list[Box]:
        """Ask about points (n, d), keep their rules, and return the boxes of these."""
        held = np.clip(points.astype(self.found.kind).astype(np.float64), self.low, self.high)
        told = self.oracle.explain(held)
        if told.rules is None or told.labels is None:
            raise OracleError("the oracle told no rules")
        self.asked += len(points)
        boxes = [self.reader.box(str(rule)) for rule in told.rules]
        for point, label, (low, high) in zip(held, told.labels, boxes, strict=True):
            self.outside += int(((point < low) | (point > high)).any())
            rule = (low.tobytes(), high.tobytes(), int(label))
            if (low <= high).all() and rule not in self.known:
                self.known.add(rule)
                self.found.add(low, high, int(label))
        if self.progress is not None:
            self.progress(self.asked, len(self.found.labels))
        return boxes

    def holds(self) -> bool:
        """Ask just inside of each side of each rule, and anywhere; return whether no answer contradicts them.

        Each rule told has to hold for its input, and no two of different classes for one.
        """
        before = len(self.found.boxes)
        points = list(self.rng.uniform(self.low, self.high, (FRESH, len(self.low))))
        for low, high in self.found.boxes:
            least, most = np.maximum(low, self.low), np.minimum(high, self.high)
            for side, end in ((low, self.low), (high, self.high)):
                for i in np.flatnonzero(np.isfinite(side) & (side != end)):
                    point = least + self.rng.random(len(least)) * (most - least)
                    point[i] = side[i]
                    points.append(point)
        self.ask(np.stack(points))
        if self.outside:
            self.notes.append(
                f"the rules of {self.outside} of {self.asked} answers do not hold for what was asked about: "
                "their thresholds are rounded, or they are no tree's"
            )
        if new := len(self.found.boxes) - before:
            self.notes.append(f"{new} rules were told where others hold: they are no tree's")
        if self.found.contradict():
            self.notes.append(
                "rules that hold for the same inputs name different classes: they are no tree's"
            )
        return not self.notes
