"""Numbers of the search for inputs at which a copy of many layers is wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CounterexamplesSettings:
    """Where a copy is wrong: deep/counterexamples.py."""

    # on lines, questions that a copy must answer right. Half: -1 % queries; twice: +2 % queries (deep, 19 of
    # 20 victims whole)
    checks_per_unit: int = 2
    # and at least so many. Half: -3 % queries; twice: +6 % queries (deep, 19 of 20 victims whole)
    least_checks: int = 200
    # and at random points: with 200 a unit that is on in a thousandth of the inputs escaped in 5 of 300
    # networks
    point_checks: int = 1000
    # where these are cut into parts, the first with an error being the last that is asked: in one part
    # 40-20-10-10-1, seed 2, took 6,722 queries in place of 4,645
    parts: tuple[int, ...] = (60, 240)
    # every so manyth of them lies where some features are large: 26 rare units are on at .072 of those, at
    # less than .003 of normal ones. 10-20-20-1 comes out whole on 20 of 20 seeds, without on 10 of 12
    climbed: int = 2
    # of these points, in pairs: one of two is shifted
    scales: tuple[float, ...] = (1.0, 1.0, 3.0, 3.0, 10.0, 10.0)
    # part of a predicted piece where it is asked, clear of its ends
    inner: tuple[float, float] = (0.2, 0.8)
    # distance, in usual ones, from which on a wrong point is brought nearer
    far: float = 30.0
    # each place that is asked on the ray to it is so many times as far out as the one before
    step: float = 4.0


@dataclass(frozen=True)
class ClimbingSettings:
    """Points far up some features: deep/extreme_points.py."""

    # with eight, and with `hindering`, 26 rare units are on at .072 of the points climbed to, at .031 without
    steps: int = 8
    # mean of the weights: a unit that is hardly ever on has more negative ones than others
    hindering: float = -0.5
    # logarithm of a step's length, in lengths of the point: from 0.3
    least: float = -0.5
    # to 10
    most: float = 1.0


COUNTEREXAMPLES = CounterexamplesSettings()
CLIMBING = ClimbingSettings()
