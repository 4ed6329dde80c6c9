"""Two hidden layers, the first wider than its input: sides, units, rows, the output."""

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
from divulge.reconstruction.deep.wide.chosen_rows import chosen_row
from divulge.reconstruction.deep.wide.follow import Follower
from divulge.reconstruction.deep.wide.kinks import LaterKinks, kinks_behind
from divulge.reconstruction.deep.wide.last import errors, unlike, with_linear_rest
from divulge.reconstruction.deep.wide.open_entries import tell_entries
from divulge.reconstruction.deep.wide.sides import no_sides, parallel, without_rest, wrong_sides
from divulge.reconstruction.deep.wide.star import Star
from divulge.reconstruction.deep.wide.states import Searched
from divulge.reconstruction.deep.wide.told_by_values import told_by_values
from divulge.reconstruction.deep.wide.units import Unit, joined, owners, taken_in
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import TINY, WIDE_LINES, WIDE_SEARCH


def can_follow(probe: Probe) -> bool:
    """Whether units can be followed: by sharp gradients that may be asked for anywhere."""
    return probe.domain is None and not probe.rounded and not probe.bends_are_cheap


class WideSearch:
    """The state of the search behind a first layer whose hyperplanes are known.

    Args:
        probe: whom to ask.
        lines: the domain, and what draws.
        prefix: the layers before, one at least, the last one's units turned either way.
        enough: relative residual from which on a fit explains its answers.

    Attributes:
        deeper: whether answers are wrong nearly everywhere though no more units are met: a layer is missing.
    """

    def __init__(self, probe: Probe, lines: Lines, prefix: Prefix, enough: float) -> None:
        self.probe, self.lines, self.enough = probe, lines, enough
        self.known = Known(prefix, open_sides=True)
        self.units: list[Unit] = []
        self.segments: list[Searched] = []
        self.centre = lines.samples(1)[0]
        self.looked = False  # whether lines were searched with all sides known
        self.deeper = False
        self.wrong_share = 1.0  # of answers that the last copy did not explain

    def run(self) -> DeepFit | None:
        """Search to the end; return the best fit, or None where the sides are not told."""
        if self.known.open_sides and not self.turned() and not self.passed():
            return None
        if not self.looked:
            self.looked = True
            self.find(WIDE_SEARCH.idle, lambda: False)
            self.look_around()
        if not self.units:
            return None
        fresh, vain = WIDE_SEARCH.points, 0
        for _ in range(WIDE_SEARCH.rounds):
            tell_entries(self.probe, self.known, self.units, self.lines)
            fit, wrong, right = self.as_last(fresh)
            if fit is not None and fresh >= WIDE_SEARCH.most_points:
                return fit
            fresh = WIDE_SEARCH.points if fit is None else WIDE_SEARCH.more * fresh
            new = self.between(wrong, right)
            vain = vain + 1 if fit is None and not new and self.wrong_share > WIDE_SEARCH.mostly else 0
            self.deeper = vain >= WIDE_SEARCH.vain
            if self.deeper:
                break
        return None

    def grown(self) -> Prefix | None:
        """Return the layers with the units found as one more, or None where rows are not whole."""
        if not all(unit.whole for unit in self.units):
            return None
        rows = np.array([unit.row for unit in self.units])
        offsets = np.array([unit.offset(self.known) for unit in self.units])
        size = np.linalg.norm(rows, axis=1)
        return self.known.prefix.grown(Dense(rows / size[:, None], offsets / size))

    def look_through(self, point: Array) -> None:
        """Search between a point (d,) where the copy is wrong and a random one."""
        self.between(self.within_reach(point)[None], self.lines.samples(1))

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

    def passed(self) -> bool:
        """Take what comes in as handed on beside the layer's units, where no sides are right, or many."""
        equations = [unit.equations for unit in self.units]
        if not self.units or not (no_sides(self.known, equations) or parallel(self.known)):
            return False
        *inner, last = self.known.prefix.layers
        prefix = Prefix(self.probe.input_size, [*inner, last.with_passage()])
        self.known = Known(prefix, open_sides=False)
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
            new = self.absorb(self.searched(start - way, start + way), enough)
            vain = 0 if new else vain + 1
            if vain == idle or enough():
                return

    def absorb(self, kinks: LaterKinks, enough: Callable[[], bool] = lambda: False) -> int:
        """Take kinks in, following units that are not known; return how many new ones there are."""
        new = 0
        for place in self.lines.rng.permutation(len(kinks)):
            point, jump = kinks.points[place], kinks.jumps[place]
            if owners(self.known, self.units, point[None])[0] >= 0:
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

    def searched(self, start: Array, end: Array) -> LaterKinks:
        """Search a segment between two points (d,)."""
        found = kinks_behind(self.probe, self.known.prefix, start[None], end[None])
        self.segments.append(Searched(start, end, found))
        return found

    def between(self, wrong: Array, right: Array) -> int:
        """Search from the centre, or from points where the copy is right, to points where it is wrong.

        Return how many units were met that were not known.
        """
        new = 0
        whole = all(unit.whole for unit in self.units)
        for place, point in enumerate(wrong):
            other = len(right) and (whole or self.lines.rng.uniform() < WIDE_SEARCH.from_right)
            start = right[place] if other else self.centre
            new += self.absorb(self.searched(start, point))
        return new

    def settled(self) -> Star:
        """Search from the centre, until the states of all units with open entries are known there."""
        star = Star(self.known, self.units, self.centre, self.segments)
        for _ in range(WIDE_SEARCH.tries):
            if not star.unsettled.any():
                break
            for number in np.flatnonzero(star.unsettled):
                places = self.units[number].places
                place = places[self.lines.rng.integers(len(places))]
                end = self.centre + WIDE_SEARCH.beyond * (place - self.centre)
                self.absorb(self.searched(self.centre, end))
            star = Star(self.known, self.units, self.centre, self.segments)
        return star

    def look_around(self) -> None:
        """Search from the centre to points of all scales, where entries are open."""
        if all(unit.whole for unit in self.units):
            return
        scales = self.lines.rng.choice(WIDE_SEARCH.ray_scales, (WIDE_SEARCH.rays, 1))
        for point in scales * self.lines.samples(WIDE_SEARCH.rays):
            self.absorb(self.searched(self.centre, point))

    def rows(self) -> tuple[Array, Array]:
        """Return every unit's row (u, h) and offset (u,), open entries such that known states come out."""
        star = self.settled()
        rows, offsets = [], []
        for number, unit in enumerate(self.units):
            row, offset = unit.row, unit.offset(self.known)
            if not unit.whole:
                chosen = chosen_row(self.known, unit, unit.told, *star.states(number))
                if chosen is None and unit.told:
                    unit.told = []
                    chosen = chosen_row(self.known, unit, [], *star.states(number))
                row, offset = (row, offset) if chosen is None else chosen
            rows.append(row)
            offsets.append(offset)
        return np.array(rows), np.array(offsets)

    def as_last(self, fresh: int = WIDE_SEARCH.points) -> tuple[DeepFit | None, Array, Array]:
        """Fit the output; return the fit, or points where it is wrong, and as many where it is right."""
        prefix = self.known.prefix
        rows, offsets = self.rows()
        size = np.linalg.norm(rows, axis=1)
        units = Candidates(
            rows / size[:, None],
            np.ones(rows.shape, bool),
            offsets / size,
            np.ones(len(rows), np.intp),
            np.array([unit.places[0] for unit in self.units]),
        )
        layer = as_layer(units)
        points, pieces = self.answers(layer, fresh)
        count = WIDE_SEARCH.points  # as many old ones as there are fresh ones, which come last
        old = self.lines.rng.permutation(max(len(points) - count, 0))[:count]
        some = np.concatenate([old, np.arange(max(len(points) - count, 0), len(points))])
        weights = np.nan_to_num([unit.weight for unit in self.units]) * size
        model = with_linear_rest(prefix, layer, weights, points[some], pieces[some])
        wrong = errors(model, points, pieces) > self.enough
        self.wrong_share = float(wrong.mean())
        if not wrong.any():
            fit = fit_as_last(self.probe, self.usual, prefix, units)
            if fit.error > self.enough:
                return None, self.wrong_further_out(model), points[:0]
            return fit, points[:0], points[:0]
        if not all(unit.whole for unit in self.units):
            self.learn(model, size, points[some], pieces[some])
        chosen = np.flatnonzero(wrong)
        chosen = chosen[unlike(model, points[chosen], pieces[chosen], self.lines.rng)][: WIDE_SEARCH.pairs]
        right = np.flatnonzero(~wrong)
        right = self.lines.rng.choice(right, len(chosen)) if len(right) else chosen[:0]
        return None, points[chosen], points[right]

    def wrong_further_out(self, model: DeepModel) -> Array:
        """Return answered points (n, d), of any size, at which a copy that is right near by is wrong."""
        points, pieces = self.probe.answered()
        clear = clear_of_hyperplanes(model.prefix, model.layer, points)
        points, pieces = points[clear], pieces[clear]
        off = errors(model, points, pieces)
        worst = np.argsort(-off, kind="stable")[: WIDE_SEARCH.pairs]
        points = points[worst[off[worst] > self.enough]]
        return np.array([self.within_reach(point) for point in points]).reshape(-1, points.shape[1])

    def within_reach(self, point: Array) -> Array:
        """Return a point (d,) drawn near, to where states are still told."""
        most = WIDE_SEARCH.farthest * np.sqrt(len(point))
        return np.asarray(point * min(1.0, most / max(float(np.linalg.norm(point)), TINY)))

    def learn(self, model: DeepModel, size: Array, points: Array, pieces: Array) -> None:
        """Take from answers what they tell of open entries."""
        free = [unit.equations.free for unit in self.units]
        anchors = np.array([unit.anchor(self.known) for unit in self.units])
        told = told_by_values(model, free, anchors, points, pieces, self.enough)
        for unit, more, factor in zip(self.units, told, size, strict=True):
            unit.told = [(terms, right * factor) for terms, right in more]

    @property
    def usual(self) -> float:
        """Distance from the origin up to which points count as usual."""
        return float(WIDE_LINES.reach * max(WIDE_LINES.scales) * np.sqrt(self.probe.input_size))

    def answers(self, layer: Layer, count: int) -> tuple[Array, Array]:
        """Ask at some random points of all scales; return these and what was asked before, clear of kinks."""
        scales = self.lines.rng.choice(WIDE_SEARCH.scales, (count, 1))
        self.probe.pieces(scales * self.lines.samples(count))
        points, pieces = self.probe.answered()
        usable = np.linalg.norm(points, axis=1) <= WIDE_SEARCH.reach * np.sqrt(points.shape[1])
        usable &= clear_of_hyperplanes(self.known.prefix, layer, points)
        return points[usable], pieces[usable]
