"""Thresholds of trees found by moving one number at a time, and seeing SHAP values jump."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from divulge.arrays import Array
from divulge.surrogate.shap_session import ShapSession
from divulge.surrogate.shape import SAME, Shape
from divulge.surrogate.thresholds import Thresholds
from divulge.surrogate.usual_cuts import UsualCuts

GRID = 5  # places of each number asked at first, evenly from low to high
QUIET = 60  # inputs that must be answered like an end of their bins
ROWS = 1000  # of the data that are asked about so
# Thresholds that are tried beside where they were found: those of trees stay, as few others are so near.
TRIED = 12
BESIDE = 1e-3  # of the range, that other numbers are moved by then


class NotPiecewiseConstant(Exception):
    """The model is no sum of trees; the text says why."""


@dataclass
class ThresholdSearch:
    """Asks about inputs that differ in one number.

    Attributes:
        session: what is asked.
        rng: of inputs.
        hints: data (m, d) that thresholds lie between, or None.
        most: thresholds from which on it is given up.
        progress: called with the answers and the thresholds.
        known: the thresholds so far.
        points, told: all that was asked, and what was told of it.
    """

    session: ShapSession
    rng: np.random.Generator
    hints: Array | None
    most: int
    progress: Callable[[int, int], None] | None = None
    points: list[Array] = field(default_factory=list)
    told: list[Array] = field(default_factory=list)
    tried: set[tuple[int, float]] = field(default_factory=set)  # thresholds crossed at inputs beside, too
    stayed: list[bool] = field(default_factory=list)  # whether each of them was there as well
    usual: UsualCuts = field(default_factory=UsualCuts)

    def __post_init__(self) -> None:
        self.known = Thresholds(self.session.low, self.session.high)
        self.weights = self.rng.standard_normal(len(self.session.low))
        self.weights /= np.abs(self.weights).max()

    @property
    def allowed(self) -> float:
        """Difference of SHAP values that counts as none."""
        return SAME * max(self.session.scale, 1e-12)

    def ask(self, points: Array) -> Array:
        """Ask about points (n, d) and keep what is told, (n, d)."""
        points = self.session.read(points)
        told = self.session.ask(points)
        self.points.append(points)
        self.told.append(told)
        if self.progress is not None:
            self.progress(self.session.queries, len(self.known))
        return told

    def from_base(self, base: Array) -> None:
        """Move each number of an input (d,) from low to high and find where SHAP values jump."""
        low, high = self.session.low, self.session.high
        numbers = np.flatnonzero(low < high)
        shapes = {int(i): self._shape(int(i)) for i in numbers}
        share = np.linspace(0.0, 1.0, GRID)
        self._moved(base, {i: low[i] + share * (high[i] - low[i]) for i in shapes}, shapes)
        self._bisect(base, shapes)

    def between(self, base: Array, number: int, ends: tuple[float, float]) -> None:
        """Move one number of an input (d,) between two places and find where SHAP values jump."""
        shapes = {number: self._shape(number)}
        self._moved(base, {number: np.array(ends)}, shapes)
        self._bisect(base, shapes)

    def twins(self, points: Array) -> int:
        """Ask about points (n, d) and both ends of their bins; where they are told apart find out why.

        Returns:
            How many were told apart from an end.
        """
        points = self.session.read(points)
        ends = [self.session.read(end) for end in self.known.ends(self.known.bins(points))]
        told, found = self.ask(points), 0
        for end in ends:
            differ = np.abs(self.ask(end) - told).max(axis=1) > self.allowed
            for row in np.flatnonzero(differ):
                self._part(end[row], points[row])
            found += int(differ.sum())
        return found

    def settle(self) -> None:
        """Ask about the data so, and others until none is told apart."""
        if self.hints is not None:
            rows = np.unique(self.hints, axis=0)
            rows = self.rng.permutation(rows)[:ROWS]
            for first in range(0, len(rows), QUIET):
                self.twins(rows[first : first + QUIET])
        quiet = 0
        while quiet < QUIET:
            points = self.known.drawn(QUIET - quiet, self.rng, self.hints)
            quiet = 0 if self.twins(points) else quiet + len(points)

    def _part(self, first: Array, last: Array) -> None:
        """Find one number between two inputs (d,) that are told apart, and its thresholds between them."""
        numbers = np.flatnonzero(first != last)
        told = self.ask(first[None])[0]
        while len(numbers) > 1:
            half = numbers[: len(numbers) // 2]
            middle = first.copy()
            middle[half] = last[half]
            found = self.ask(middle[None])[0]
            if np.abs(found - told).max() > self.allowed:
                numbers, last = half, middle
            else:
                numbers, first, told = numbers[len(half) :], middle, found
        if len(numbers):
            i = int(numbers[0])
            self.between(first, i, (float(first[i]), float(last[i])))

    def _bisect(self, base: Array, shapes: dict[int, Shape]) -> None:
        """Ask in the narrowest open gap of each number until none is open."""
        while True:
            places = {i: np.array([gap]) for i, s in shapes.items() if (gap := s.open()) is not None}
            if not places:
                break
            self._moved(base, places, shapes)
            for i in places if len(self.stayed) < TRIED else ():
                self._try(base, i, *shapes[i].closed())
        for i, shape in shapes.items():
            self.known.add(i, *shape.thresholds())

    def _try(self, base: Array, number: int, left: Array, right: Array) -> None:
        """Cross new thresholds of a number at inputs beside, too; raise where most are not there."""
        low, high = self.session.low, self.session.high
        new = [(number, float(place)) not in self.tried for place in left]
        left, right = left[new], right[new]
        self.tried |= {(number, float(place)) for place in left}
        count = min(len(left), TRIED - len(self.stayed))
        if not count:
            return
        moved = BESIDE * (high - low) * self.rng.choice([-1.0, 1.0], (count, len(low)))
        beside = np.clip(base + moved, low, high)
        sides = []
        for ends in (left[:count], right[:count]):
            beside[:, number] = ends
            sides.append(self.ask(beside))
        self.stayed += (np.abs(sides[1] - sides[0]).max(axis=1) > self.allowed).tolist()
        if len(self.stayed) == TRIED and sum(self.stayed) < TRIED / 2:
            raise NotPiecewiseConstant(
                f"{TRIED - sum(self.stayed)} of {TRIED} steps, that of number {number} among the last, move "
                "where other numbers do: the model weighs numbers together and is no sum of trees"
            )

    def _moved(self, base: Array, places: dict[int, Array], shapes: dict[int, Shape]) -> None:
        """Ask about an input (d,) with each number in turn moved to its places."""
        rows = [(i, place) for i, several in places.items() for place in several]
        points = np.repeat(base[None], len(rows), axis=0)
        points[np.arange(len(rows)), [i for i, _ in rows]] = [place for _, place in rows]
        points = self.session.read(points)
        told = self.ask(points) @ self.weights
        numbers = np.array([i for i, _ in rows])
        for i in places:
            shape, own = shapes[i], numbers == i
            shape.scale = self.session.scale * SAME / 1e-14
            shape.add(points[own, i], told[own])
            self._check(i, shape)

    def _check(self, number: int, shape: Shape) -> None:
        """Raise where a number enters by a line or a curve, or by too many steps."""
        if shape.curved or shape.linear:
            how = "a curve" if shape.curved else "a line"
            raise NotPiecewiseConstant(f"number {number} enters by {how}: the model is no sum of trees")
        found = len(self.known) + len(shape.thresholds()[0])
        if found > self.most:
            raise NotPiecewiseConstant(
                f"more than {self.most} thresholds seem to be there: SHAP values that are rounded or noisy "
                "look like steps"
            )

    def _shape(self, number: int) -> Shape:
        hints = None if self.hints is None else self.hints[:, number]
        return Shape(self.session.single, hints, self.usual)
