"""In which state a unit is along segments all of whose kinks belong to known units.

Between its own kinks a unit keeps its state. At each of them the sign of dz along the segment tells which it
is before and after; a segment on which it has none gets its state from a point at which the equations tell
the level, or from its start, where that is a point whose states are known.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.deep.searched_segment import SearchedSegment, breakpoints
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.crossings import Crossings, crossings_on
from divulge.reconstruction.deep.wide.kinks import LaterKinks
from divulge.reconstruction.deep.wide.units import Unit, owners
from divulge.reconstruction.settings import WIDE_UNITS


@dataclass(frozen=True)
class Searched:
    """A segment that was searched for the kinks of units behind known layers.

    Attributes:
        start, end: shape (d,).
        kinks: on it.
        points: that were asked on it, shape (n, d).
        pieces: the answers, shape (n, d + 1).
    """

    start: Array
    end: Array
    kinks: LaterKinks
    points: Array
    pieces: Array
    _crossings: list[tuple[Known, Crossings]] = field(default_factory=list, repr=False)

    def crossings(self, known: Known) -> Crossings:
        """Return what is told where it crosses hyperplanes of known layers, turned the right way."""
        if not self._crossings or self._crossings[0][0] is not known:
            found = crossings_on(known, self.start, self.end, self.points, self.pieces)
            self._crossings[:] = [(known, found)]
        return self._crossings[0][1]


@dataclass(frozen=True)
class Attributed:
    """A segment with the owners of its kinks.

    Attributes:
        segment: the segment.
        places: of the kinks, t in [0, 1], rising, shape (m,).
        owners: unit of each, shape (m,).
        rising: whether the unit switches on there, +1 or -1, 0 where that is not told, shape (m,).
        middles: t of a point in every piece between kinks and hyperplanes of known layers, shape (n,).
        points: these points, shape (n, d).
    """

    segment: Searched
    places: Array
    owners: Index
    rising: Array
    middles: Array
    points: Array


def attributed(
    known: Known, units: Sequence[Unit], segment: Searched, deeper: Container[bytes] = ()
) -> Attributed | None:
    """Say whose the kinks of a segment are, or return None where that is not known of all.

    Kinks that belong to no unit and are among `deeper`, points as bytes, count for none.
    """
    kinks, way = segment.kinks, segment.end - segment.start
    own = owners(known, units, kinks.points)
    ours = np.array(
        [n >= 0 or x.tobytes() not in deeper for n, x in zip(own, kinks.points, strict=True)], bool
    )
    kinks, own = kinks.take(np.flatnonzero(ours)), own[ours]
    if (own < 0).any():
        return None
    t = (kinks.points - segment.start) @ way / (way @ way)
    order = np.argsort(t, kind="stable")
    rising = np.array([growth(known, units[own[k]], kinks.points[k], way) for k in order])
    sweep = SearchedSegment(segment.start, way, 0.0, 1.0, np.empty(0), np.empty((0, len(way))))
    nodes = np.unique(np.concatenate([breakpoints(known.prefix, sweep), t]))
    middles = (nodes[1:] + nodes[:-1]) / 2
    points = segment.start + middles[:, None] * way
    return Attributed(segment, t[order], own[order], rising, middles, points)


def growth(known: Known, unit: Unit, point: Array, way: Array) -> float:
    """Return the sign of a unit's growth along a way (d,) at a point, 0 where it is not told."""
    told = unit.equations.tell(way @ known.cell(point).gradient_terms())
    return float(np.sign(told or 0.0))


def states_along(known: Known, unit: Unit, number: int, along: Attributed, at_start: float) -> Array:
    """Return a unit's state at the middles of a segment: +1 on, -1 off, 0 not known; shape (n,).

    Args:
        known: the layers before.
        unit: the unit.
        number: its place among the units.
        along: the segment.
        at_start: its state at the segment's start, 0 where that is not known.
    """
    return states_at(known, unit, number, along, along.middles, at_start)


def states_at(
    known: Known, unit: Unit, number: int, along: Attributed, places: Array, at_start: float
) -> Array:
    """Return the same at places t in [0, 1] of the segment, shape (n,)."""
    mine = np.flatnonzero(along.owners == number)
    turns = (-1.0) ** np.arange(len(mine))  # a unit switches at each of its kinks
    begun = np.unique((-along.rising[mine] * turns)[along.rising[mine] != 0])
    if len(begun) > 1:
        return np.zeros(len(places))
    at_start = float(begun[0]) if len(begun) else at_start
    if len(mine):
        return np.asarray(at_start * (-1.0) ** np.searchsorted(along.places[mine], places), np.float64)
    if not at_start:
        terms = known.terms(along.points) - unit.anchor(known)
        size = np.linalg.norm(terms, axis=1)
        told = np.linalg.norm(unit.equations.beyond_all(terms), axis=1) <= WIDE_UNITS.near * size
        levels = terms[told] @ unit.row
        at_start = float(np.sign(levels[np.argmax(np.abs(levels))])) if told.any() else 0.0
    return np.full(len(places), at_start)
