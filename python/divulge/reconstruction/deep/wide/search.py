"""Two hidden layers, the first wider than its input: sides, units, rows and the output, one after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.fit_as_last import DeepFit, fit_as_last
from divulge.reconstruction.deep.last_layer import as_layer, clear_of_hyperplanes
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.follow import Follower
from divulge.reconstruction.deep.wide.kinks import LaterKinks, kinks_behind
from divulge.reconstruction.deep.wide.last import linear_rest
from divulge.reconstruction.deep.wide.open_entries import stand_ins, tell_entries
from divulge.reconstruction.deep.wide.sides import without_rest, wrong_sides
from divulge.reconstruction.deep.wide.units import Unit, joined, owner, taken_in, with_rows
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import WIDE_LINES, WIDE_SEARCH


def can_follow(probe: Probe) -> bool:
    """Whether units can be followed: by sharp gradients that may be asked for anywhere."""
    return probe.domain is None and not probe.rounded and not probe.bends_are_cheap


class WideSearch:
    """The state of the search behind a first layer whose hyperplanes are known.

    Args:
        probe: whom to ask.
        lines: the domain, and what draws.
        first: the first layer, its units turned either way.
        enough: relative residual from which on a fit explains its answers.
    """

    def __init__(self, probe: Probe, lines: Lines, first: Dense, enough: float) -> None:
        self.probe, self.lines, self.enough = probe, lines, enough
        self.known = Known(Prefix(probe.input_size, [first]), open_sides=True)
        self.units: list[Unit] = []

    def run(self) -> DeepFit | None:
        """Search to the end; return the best fit, or None where the sides are not told."""
        if self.known.open_sides and not self.turned():
            return None
        self.find(WIDE_SEARCH.idle, lambda: False)
        fit = None
        for _ in range(WIDE_SEARCH.rounds):
            tell_entries(self.probe, self.known, self.units, self.lines)
            fit, wrong, right = self.as_last()
            if not len(wrong):
                break
            self.between(wrong, right)
        return fit

    def look_through(self, point: Array) -> None:
        """Search between a point (d,) where the copy is wrong and a random one."""
        self.between(point[None], self.lines.samples(1))

    def turned(self) -> bool:
        """Follow units until their equations tell the sides of the first layer; turn it."""
        self.find(WIDE_SEARCH.idle, self.sides_are_told)
        turned = wrong_sides(self.known, [unit.equations for unit in self.units])
        if turned is None:
            return False
        layer, sign = self.known.prefix.layers[-1], np.where(turned, -1.0, 1.0)
        for unit in self.units:
            unit.equations = without_rest(self.known, unit.equations, turned)
        inner = self.known.prefix.layers[:-1]
        dense = Dense(layer.rows * sign[:, None], layer.offsets * sign)
        self.known = Known(Prefix(self.probe.input_size, [*inner, dense]), open_sides=False)
        return True

    def sides_are_told(self) -> bool:
        """Whether the units followed so far determine every side."""
        many = sum(len(unit.equations) > self.known.width for unit in self.units)
        if many * self.known.prefix.layers[-1].rows.shape[1] < self.known.width:
            return False
        return wrong_sides(self.known, [unit.equations for unit in self.units]) is not None

    def find(self, idle: int, enough: Callable[[], bool]) -> None:
        """Search random lines, until so many in a row show no new unit or enough is known."""
        vain = 0
        for _ in range(WIDE_LINES.most):
            start, way = self.lines.samples(2)
            start = start * self.lines.rng.choice(WIDE_LINES.scales)
            reach = WIDE_LINES.reach * max(WIDE_LINES.scales)
            way = way * (reach * np.sqrt(len(way)) / np.linalg.norm(way))
            found = kinks_behind(self.probe, self.known.prefix, (start - way)[None], (start + way)[None])
            new = self.absorb(found, enough)
            vain = 0 if new else vain + 1
            if vain == idle or enough():
                return

    def absorb(self, kinks: LaterKinks, enough: Callable[[], bool] = lambda: False) -> int:
        """Take kinks in: those of known units tell nothing, the others' units are followed; return how many are new."""
        new = 0
        for place in self.lines.rng.permutation(len(kinks)):
            point, jump = kinks.points[place], kinks.jumps[place]
            if owner(self.known, self.units, point) is not None:
                continue
            if any(joined(self.known, unit, point, jump) for unit in self.units if not unit.whole):
                continue
            follower = Follower(self.probe, self.known, point, jump, self.lines.rng)
            if not follower.go(WIDE_SEARCH.steps * self.known.width):
                continue
            if taken_in(self.known, self.units, Unit.of(follower)):
                new += 1
                if enough():
                    break
        return new

    def between(self, wrong: Array, right: Array) -> None:
        """Search between points where the copy is wrong and points where it is right, shape (n, d) each."""
        self.absorb(kinks_behind(self.probe, self.known.prefix, wrong, right))

    def as_last(self) -> tuple[DeepFit, Array, Array]:
        """Fit the output; return the fit, points at which it is wrong, and as many at which it is right."""
        prefix = self.known.prefix
        _, _, offsets = with_rows(self.known, self.units)
        rows = np.array([stand_ins(self.known, unit, self.lines) for unit in self.units])
        sizes = np.linalg.norm(rows, axis=1)
        candidates = Candidates(
            rows / sizes[:, None],
            np.ones(rows.shape, bool),
            offsets / sizes,
            np.ones(len(rows), np.intp),
            np.array([unit.places[0] for unit in self.units]),
        )
        points, pieces = self.answers(candidates)
        weights = np.array([unit.weight for unit in self.units])
        rest = linear_rest(prefix, rows, offsets, np.nan_to_num(weights), points, pieces)
        wrong = np.flatnonzero(rest.errors > self.enough)
        right = np.flatnonzero(rest.errors <= self.enough)
        fit = fit_as_last(self.probe, self.usual, prefix, candidates)
        if not len(right):
            return fit, points[:0], points[:0]
        wrong = self.lines.rng.permutation(wrong)[: WIDE_SEARCH.pairs]
        return fit, points[wrong], points[self.lines.rng.choice(right, len(wrong))]

    @property
    def usual(self) -> float:
        """Distance from the origin up to which points count as usual."""
        return float(WIDE_LINES.reach * max(WIDE_LINES.scales) * np.sqrt(self.probe.input_size))

    def answers(self, units: Candidates) -> tuple[Array, Array]:
        """Ask at some random points of all scales, and return them with those that were asked before."""
        count = WIDE_SEARCH.points
        scales = self.lines.rng.choice(WIDE_SEARCH.scales, (count, 1))
        self.probe.pieces(scales * self.lines.samples(count))
        points, pieces = self.probe.answered()
        fresh = np.arange(len(points)) >= len(points) - count
        near = np.linalg.norm(points, axis=1) <= self.usual
        old = np.flatnonzero(~fresh & near)
        chosen = np.concatenate([self.lines.rng.permutation(old)[:count], np.flatnonzero(fresh)])
        clear = clear_of_hyperplanes(self.known.prefix, as_layer(units), points[chosen])
        return points[chosen[clear]], pieces[chosen[clear]]
