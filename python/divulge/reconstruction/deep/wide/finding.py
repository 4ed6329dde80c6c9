"""Units behind known layers: met on lines, followed, joined by their equations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.follow import Follower
from divulge.reconstruction.deep.wide.joint_rows import joint_rows
from divulge.reconstruction.deep.wide.kinks import LaterKinks, kinks_behind
from divulge.reconstruction.deep.wide.star import Star
from divulge.reconstruction.deep.wide.states import Searched
from divulge.reconstruction.deep.wide.told_by_answers import ToldStates
from divulge.reconstruction.deep.wide.units import Unit, joined, owners, taken_in
from divulge.reconstruction.settings import FOLLOWING, WIDE_LINES, WIDE_SEARCH


class Finding:
    """The units behind known layers, as far as they were found.

    Args:
        probe: whom to ask.
        lines: the domain, and what draws.
        known: the layers before, one at least, the last one's units turned either way.
        before: what the last of these layers was found by, or None where its rows are whole.

    Attributes:
        units: found so far.
        segments: all that were searched.
        told: states that single answers told.
        lost: points, as bytes, of kinks whose unit could not be followed.
        centre: a point from which segments start, shape (d,).
        deeper: whether a layer is missing: answers are wrong nearly everywhere though no more units are met.
    """

    def __init__(self, probe: Probe, lines: Lines, known: Known, before: Finding | None = None) -> None:
        self.probe, self.lines, self.known, self.before = probe, lines, known, before
        self.units: list[Unit] = []
        self.segments: list[Searched] = []
        self.lost: set[bytes] = set()
        self.centre = lines.samples(1)[0]
        self.deeper = False
        self.told = ToldStates()
        self._chosen: tuple[Star, int, bool, tuple[Array, Array]] | None = None
        self._star: tuple[tuple[object, ...], Star] | None = None
        self.built_on = 0 if before is None else before.equations

    @property
    def equations(self) -> int:
        """How many equations about units there are."""
        return sum(len(unit.equations) for unit in self.units)

    @property
    def state(self) -> tuple[object, ...]:
        """What changes where more is known of units, or of states along segments."""
        lost = len(self.lost) if self.deeper else -1
        layers = id(self.known), id(self.centre)
        return *layers, lost, len(self.segments), *(unit.state for unit in self.units)

    @property
    def outdated(self) -> bool:
        """Whether more is known of the layers before than when this was begun."""
        return self.before is not None and (self.before.equations > self.built_on or self.before.outdated)

    def find(self, idle: int, enough: Callable[[], bool]) -> None:
        """Search random lines, until so many in a row show no new unit or enough is known."""
        vain, met = 0, Counter[int]()
        for _ in range(WIDE_LINES.most):
            start, way = self.lines.samples(2)
            start = start * self.lines.rng.choice(WIDE_LINES.scales)
            reach = WIDE_LINES.reach * max(WIDE_LINES.scales)
            way = way * (reach * np.sqrt(len(way)) / np.linalg.norm(way))
            kinks = self.searched(start - way, start + way)
            vain = 0 if self.absorb(kinks, enough) else vain + 1
            if enough():
                return
            met.update(set(self.owners(kinks.points).tolist()) - {-1})
            if vain >= (self.idle_then(met) if self.suspects else idle):
                return

    def idle_then(self, met: Counter[int]) -> int:
        """Return how many lines in a row show no new unit before no more are searched, where lines are dear.

        Units that were met on one line alone say that there are others that were met on none (Good 1953).

        Args:
            met: on how many lines each unit was met.
        """
        rare = any(met[number] == 1 for number in range(len(self.units)))
        return WIDE_SEARCH.idle_rare if rare else WIDE_SEARCH.idle_then

    def absorb(self, kinks: LaterKinks, enough: Callable[[], bool] = lambda: False) -> int:
        """Take kinks in, following units that are not known; return how many new ones there are."""
        new, known, own = 0, (-1, -1), np.empty(0, np.intp)
        for place in self.lines.rng.permutation(len(kinks)):
            if known != (len(self.units), self.equations):
                known, own = (len(self.units), self.equations), self.owners(kinks.points)
            point, jump = kinks.points[place], kinks.jumps[place]
            if own[place] >= 0:
                self.take_in(int(own[place]), point, jump)
            elif self.is_earlier(point, jump):
                continue
            elif self.taken(point, jump):
                new += 1
                if enough():
                    break
            elif self.before is not None and point.tobytes() in self.lost:
                self.before.absorb(kinks.take(np.array([place])))
        return new

    def owners(self, points: Array) -> Index:
        """Return on which unit's hyperplane points (n, d) lie for certain, -1 where on none's, shape (n,)."""
        return owners(self.known, self.units, points)

    def owner(self, point: Array) -> int:
        """Return the same of one point (d,)."""
        return int(self.owners(point[None])[0])

    def take_in(self, number: int, point: Array, jump: Array) -> None:
        """Take a kink in as a unit's on whose hyperplane it lies."""
        if not self.units[number].whole:
            joined(self.known, self.units[number], point, jump)

    def is_earlier(self, point: Array, jump: Array) -> bool:
        """Whether a kink is a known unit's of a layer before, which then takes it in; nothing is asked."""
        if self.before is None:
            return False
        if not self.before.whole and self.before.joins(point, jump):
            return True
        return self.before.is_earlier(point, jump)

    def joins(self, point: Array, jump: Array) -> bool:
        """Whether a kink is a known unit's, which then takes it in."""
        own = self.owner(point)
        if own >= 0:
            self.take_in(own, point, jump)
        return own >= 0 or any(joined(self.known, unit, point, jump) for unit in self.units if not unit.whole)

    @property
    def suspects(self) -> bool:
        """Whether most kinks met are no unit's of this layer: there are deeper ones."""
        return len(self.lost) > WIDE_SEARCH.suspicion * max(len(self.units), 1)

    @property
    def whole(self) -> bool:
        """Whether every row is known whole."""
        return all(unit.whole for unit in self.units)

    def taken(self, point: Array, jump: Array) -> bool:
        """Take a kink in as a unit's with open entries, or follow it; return whether its unit is new."""
        if point.tobytes() in self.lost:
            return False
        if any(joined(self.known, unit, point, jump) for unit in self.units if not unit.whole):
            return False
        patience = FOLLOWING.patience_then if self.suspects else FOLLOWING.patience
        follower = Follower(self.probe, self.known, point, jump, self.lines.rng, patience)
        if follower.go(WIDE_SEARCH.steps * self.known.width):
            return taken_in(self.known, self.units, Unit.of(follower))
        self.lost.add(point.tobytes())
        return False

    def searched(self, start: Array, end: Array) -> LaterKinks:
        """Search a segment between two points (d,)."""
        before = len(self.probe.answered()[0])
        found = kinks_behind(self.probe, self.known.prefix, start[None], end[None])
        points, pieces = self.probe.answered()
        self.segments.append(Searched(start, end, found, points[before:], pieces[before:]))
        return found

    def between(self, wrong: Array, right: Array) -> int:
        """Search from the centre, or from points where the copy is right, to points where it is wrong.

        Return how many units were met that were not known.
        """
        new = 0
        for place, point in enumerate(wrong):
            other = len(right) and (self.whole or self.lines.rng.uniform() < WIDE_SEARCH.from_right)
            start = right[place] if other else self.centre
            new += self.absorb(self.searched(start, point))
        return new

    def settled(self) -> Star:
        """Search from the centre, until the states of all units with open entries are known there."""
        star = self.star()
        for _ in range(WIDE_SEARCH.tries):
            if not star.unsettled.any():
                break
            for number in np.flatnonzero(star.unsettled):
                places = self.units[number].places
                place = places[self.lines.rng.integers(len(places))]
                end = self.centre + WIDE_SEARCH.beyond * (place - self.centre)
                self.absorb(self.searched(self.centre, end))
            star = self.star()
        return star

    def star(self) -> Star:
        """Return what is known of states; where a layer is missing, kinks of lost units are that one's."""
        state = self.state
        if self._star is None or self._star[0] != state:
            deeper = self.lost if self.deeper else ()
            self._star = state, Star(self.known, self.units, self.centre, self.segments, deeper)
        return self._star[1]

    def look_around(self) -> None:
        """Search from the centre to points of all scales, where entries are open."""
        if self.whole:
            return
        rays = WIDE_SEARCH.rays_then if self.suspects else WIDE_SEARCH.rays
        scales = self.lines.rng.choice(WIDE_SEARCH.ray_scales, (rays, 1))
        for point in scales * self.lines.samples(rays):
            self.absorb(self.searched(self.centre, point))

    def rows(self, by_answers: bool) -> tuple[Array, Array]:
        """Return every unit's row (u, h) and offset (u,), open entries such that known states come out.

        By answers: such that these are explained, too, as they are if no deeper units are there.
        """
        star = self.settled()
        if self._chosen is None or self._chosen[:3] != (star, self.told.changes, by_answers):
            rows = joint_rows(self.known, self.units, star, self.told, by_answers)
            # after that: what was told may have been discarded
            self._chosen = star, self.told.changes, by_answers, rows
        return self._chosen[3]

    def take_over(self, old: Finding) -> None:
        """Take in what an attempt met whose layers before were known less well than now."""
        self.centre, self.lost = old.centre, old.lost
        for segment in old.segments:
            self.absorb(segment.kinks)
            if self.before is None or not (self.before.owners(segment.kinks.points) >= 0).any():
                self.segments.append(segment)
