"""All kinks of a piecewise-linear function along lines in NumPy, the twin of the core's `kink_search`."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import atan, inf, sqrt, tan
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from divulge.arrays import Array

__all__ = ["KinkSearchResult", "kink_search"]


class Oracle(Protocol):
    """What the search asks: values (n,) and gradients (n, d) at points (n, d)."""

    def query(self, points: Array, /) -> tuple[NDArray[Any], NDArray[Any]]: ...


@dataclass
class KinkSearchResult:
    """Kinks sorted by line and t; the same fields as the core's result."""

    line: NDArray[np.int64]
    t: Array
    jumps: Array
    offsets: Array
    base_gradients: Array
    base_values: Array
    queries: int
    complete: bool
    unresolved: list[tuple[int, float, float]]


class _BudgetEnd(Exception):
    pass


@dataclass(slots=True)
class _Sample:
    t: float
    value: float
    slope: float
    gradient: Array


@dataclass(slots=True)
class _Interval:
    left: _Sample
    right: _Sample
    left_proven: bool = False
    right_proven: bool = False


@dataclass
class _Line:
    """The search on one line x = origin + t direction, one query at a time."""

    oracle: Oracle
    origin: Array
    direction: Array
    low: float
    high: float
    budget: float
    float32: bool
    tolerance: float
    queries: int = 0
    steepest: float = 0.0
    largest: float = 0.0
    kinks: list[tuple[float, _Sample, _Sample]] = field(default_factory=list)
    unresolved: list[tuple[float, float]] = field(default_factory=list)
    base: _Sample | None = None

    def __post_init__(self) -> None:
        self.epsilon = 2.0**-23 if self.float32 else 2.0**-52
        self.gradient_tolerance = max(self.tolerance, 4e-6 if self.float32 else 1e-11)
        self.noise = max(self.tolerance, (0.5 if self.float32 else 4.0) * self.epsilon)
        self.narrow = 64 * self.epsilon if self.float32 else 1e-9
        size = float(np.linalg.norm(self.origin))
        self.scale = size / float(np.linalg.norm(self.direction)) if size else 1.0

    def ask(self, t: float) -> _Sample:
        """Query at t. In float32 the answer at the rounded point is carried to t inside its linear piece."""
        if self.queries >= self.budget:
            raise _BudgetEnd
        self.queries += 1
        exact = self.origin + t * self.direction
        point = exact.astype(np.float32).astype(np.float64) if self.float32 else exact
        values, gradients = self.oracle.query(point[None])
        gradient = np.asarray(gradients[0], np.float64)
        value, slope = float(values[0]), float(gradient @ self.direction)
        if self.float32:
            value += float(gradient @ (exact - point))
        self.steepest = max(self.steepest, abs(slope))
        self.largest = max(self.largest, sqrt(gradient @ gradient))
        return _Sample(t, value, slope, gradient)

    def value_noise(self, a: _Sample, c: _Sample) -> float:
        reach = max(abs(a.t), abs(c.t)) + self.scale
        return self.noise * (max(abs(a.value), abs(c.value)) + self.steepest * reach)

    def same(self, a: _Sample, c: _Sample) -> bool:
        """Whether two samples lie in one piece: equal gradients and tangents."""
        difference = a.gradient - c.gradient
        if sqrt(difference @ difference) > self.gradient_tolerance * self.largest:
            return False
        error = abs(c.value - a.value - a.slope * (c.t - a.t))
        return error <= 64 * self.value_noise(a, c) + self.gradient_tolerance * self.steepest * abs(c.t - a.t)

    def search(self) -> None:
        a, c = atan(self.low / self.scale), atan(self.high / self.scale)
        grid = [self.low, *(self.scale * tan(a + (c - a) * i / 8) for i in range(1, 8)), self.high]
        self.base = self.ask(self.low)
        samples = [self.base, *(self.ask(t) for t in grid[1:])]
        work = [_Interval(left, right) for left, right in pairwise(samples) if not self.same(left, right)]
        while work:
            work.extend(self.step(work.pop()))

    def step(self, interval: _Interval) -> list[_Interval]:
        """Accept the kink between the ends of an interval, or ask one query and return what is open still."""
        a, c = interval.left, interval.right
        gap = a.slope - c.slope
        meet = a.t + (c.value - a.value - c.slope * (c.t - a.t)) / gap if gap else inf
        reach = abs(meet) + self.scale if gap else self.scale
        step = max(64 * self.epsilon * reach, 4 * self.value_noise(a, c) / abs(gap) if gap else 0.0)
        if not a.t - step <= meet <= c.t + step:
            close = a.t - 64 * step <= meet <= c.t + 64 * step
            return self.bisect(interval, min(max(meet, a.t), c.t) if close else None)
        t = min(max(meet, a.t), c.t)
        narrow = c.t - a.t <= self.narrow * (abs(t) + self.scale)
        left = narrow or t - a.t <= (8 if interval.left_proven else 2) * step
        right = narrow or c.t - t <= (8 if interval.right_proven else 2) * step
        if left and right:
            self.kinks.append((t, a, c))
            return []
        leftwards = not left and (right or t - a.t >= c.t - t)
        return self.split(interval, t - step if leftwards else t + step, -1 if leftwards else 1)

    def bisect(self, interval: _Interval, meet: float | None) -> list[_Interval]:
        """Split in the middle of arctan(t / scale), or end where nothing lies between the ends."""
        a, c = interval.left, interval.right
        weight_a, weight_c = sqrt(c.t**2 + self.scale**2), sqrt(a.t**2 + self.scale**2)
        t = (a.t * weight_a + c.t * weight_c) / (weight_a + weight_c)
        if c.t - a.t > 4 * self.epsilon * (abs(t) + self.scale) and a.t < t < c.t:
            return self.split(_Interval(a, c), t, 0)
        if meet is None:
            self.unresolved.append((a.t, c.t))
        else:
            self.kinks.append((meet, a, c))
        return []

    def split(self, interval: _Interval, t: float, side: int) -> list[_Interval]:
        """Ask at t: as a proof of the left (-1) or the right (1) piece, or in the middle (0)."""
        new = self.ask(t)
        a, c = interval.left, interval.right
        left_proven, right_proven = interval.left_proven, interval.right_proven
        if self.same(a, new):
            return [_Interval(new, c, side != 0, right_proven)]
        if self.same(c, new):
            return [_Interval(a, new, left_proven, side != 0)]
        before, after = side == 1 and left_proven, side == -1 and right_proven
        return [_Interval(a, new, before, before), _Interval(new, c, after, after)]


def kink_search(
    oracle: Oracle,
    origins: ArrayLike,
    directions: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    max_queries: int = -1,
    tolerance: float = 0.0,
) -> KinkSearchResult:
    """Find all kinks of a piecewise-linear function on lines x = u + t v, one query after the other.

    On an interval with one kink the tangents at its ends meet there exactly (Eisner and Severance 1976);
    a kink counts when queries on both sides of that point give back both end pieces.

    Args:
        oracle: answers values (n,) and gradients (n, d) at points (n, d); float32 where it has an
            attribute `float32` that is true.
        origins: u, (L, d).
        directions: v, (L, d).
        low: smallest t, a number or (L,).
        high: largest t, a number or (L,).
        max_queries: ends the search; below 0 for none.
        tolerance: relative error of the answers; 0 for the rounding of the oracle's precision.
    """
    u, v = np.asarray(origins, np.float64), np.asarray(directions, np.float64)
    float32 = bool(getattr(oracle, "float32", False))
    if float32:
        u, v = (x.astype(np.float32).astype(np.float64) for x in (u, v))
    lows, highs = (np.broadcast_to(np.asarray(x, np.float64), len(u)) for x in (low, high))
    budget = inf if max_queries < 0 else float(max_queries)
    lines: list[_Line] = []
    complete = True
    for i in range(len(u)):
        left = budget - sum(line.queries for line in lines)
        lines.append(_Line(oracle, u[i], v[i], float(lows[i]), float(highs[i]), left, float32, tolerance))
        try:
            lines[-1].search()
        except _BudgetEnd:
            complete = False
    return _collect(lines, complete, u.shape[1])


def _collect(lines: list[_Line], complete: bool, d: int) -> KinkSearchResult:
    kinks = [(i, *kink) for i, line in enumerate(lines) for kink in sorted(line.kinks, key=lambda k: k[0])]
    jumps = np.array([c.gradient - a.gradient for _, _, a, c in kinks]).reshape(-1, d)
    points = np.array([lines[i].origin + t * lines[i].direction for i, t, _, _ in kinks]).reshape(-1, d)
    unknown = np.full(d, np.nan)
    unresolved = [(i, *gap) for i, line in enumerate(lines) for gap in line.unresolved]
    return KinkSearchResult(
        line=np.array([i for i, *_ in kinks], np.int64),
        t=np.array([t for _, t, _, _ in kinks], np.float64),
        jumps=jumps,
        offsets=-np.einsum("kd,kd->k", jumps, points),
        base_gradients=np.array([x.base.gradient if x.base else unknown for x in lines]).reshape(-1, d),
        base_values=np.array([x.base.value if x.base else np.nan for x in lines], np.float64),
        queries=sum(line.queries for line in lines),
        complete=complete and not unresolved,
        unresolved=unresolved,
    )
