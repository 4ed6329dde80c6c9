"""The units of one hidden layer from values alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.finite_differences import differences
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces_from_values import ValueTranscript
from divulge.reconstruction.asking.split_lines import Split, middles, run_pieces, split_lines
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.network.record import homogeneous
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.one_layer.kink_by_kink import add_hyperplanes
from divulge.reconstruction.one_layer.search import Found, Report, Search
from divulge.reconstruction.one_layer.value_offsets import sharpened_offsets, widen
from divulge.reconstruction.one_layer.value_residual import Remainder, corrected
from divulge.reconstruction.settings import BY_VALUES, OFFSETS, REMAINDER, TINY


class Contradicted(Exception):
    """Units known by their kinks have other jumps elsewhere: this is no single hidden layer."""


class ValueSearch(Search):
    """Finds the units behind one output: every kink on one line, one gradient in each piece between them.

    Then pieces that were too narrow are taken again where the same units are on and hyperplanes are far, and
    offsets where the hyperplanes are met near the origin. Units that the line missed show in fresh values;
    they are searched on further lines in what the known ones leave.
    """

    transcript: ValueTranscript

    def __init__(self, transcript: ValueTranscript, lines: Lines, report: Report) -> None:
        super().__init__(transcript, lines, report)
        self.values = transcript.values_of
        self.on_line = 0  # answers of the transcript that lie on the first line

    def rounds(self) -> Found:
        """Walk the first line, then others until fresh values are explained."""
        self.first_line()
        idle = 0
        for _ in range(BY_VALUES.most_lines):
            fresh, error = self.fresh()
            certificate = float(error.max())
            if certificate <= self.tolerance or idle >= BY_VALUES.idle_lines:
                break
            blur = BY_VALUES.blur * max(float(np.median(error)), self.values.relative)
            remainder = Remainder(self.values, self.best, min(blur, self.tolerance))
            try:
                found = self.next_line(remainder, fresh[np.argmin(error)], fresh[np.argmax(error)])
            except Contradicted:
                break
            idle = 0 if found else idle + 1
        solved = certificate <= self.values.tolerances.missing
        if solved:
            self.settle()
        return Found(self.best, certificate, solved)

    def fresh(self) -> tuple[Array, Array]:
        """Ask random points, many once few are explained, and return them with their errors."""
        for count in BY_VALUES.fresh_in_box if self.lines.domain else BY_VALUES.fresh:
            points = np.concatenate([self.lines.samples(count), self.vertices()])
            error = self.errors(points)
            if error.max() > self.tolerance:
                break
        return points, error

    def vertices(self) -> Array:
        """Return the box's vertices furthest along every gradient seen, and against it; see `ask_fresh`."""
        if self.lines.domain is None:
            return np.empty((0, self.lines.input_size))
        low, high = self.lines.domain
        slopes = self.transcript.pieces[:, :-1]
        return np.asarray(low + (high - low) * (np.concatenate([slopes, -slopes]) > 0))

    @property
    def tolerance(self) -> float:
        """Relative error of a value that counts as explained."""
        tolerances = self.values.tolerances
        return tolerances.missing if tolerances.single else tolerances.rounding

    def errors(self, points: Array) -> Array:
        """Errors of the best fit at points (n, d), relative to the size of the values there."""
        values = self.values.ask(points)
        spread = max(float(np.ptp(values)), float(np.abs(values).max(initial=0.0)), TINY)
        return np.abs(self.best.values(homogeneous(self.values.representable(points))) - values) / spread

    def first_line(self) -> None:
        """Find the kinks on one line and take the gradients between them."""
        line = self.lines.add_line()
        ends = np.array([self.lines.ends()])
        split = split_lines(
            self.values,
            self.lines.origins[line : line + 1, :-1],
            self.lines.directions[line : line + 1, :-1],
            ends[:, 0],
            ends[:, 1],
        )
        rows = np.flatnonzero(~split.runs.single())
        size = self.lines.input_size
        points, pieces, errors = np.empty((0, size)), np.empty((0, size + 1)), np.empty(0)
        for first in range(0, len(rows), BY_VALUES.chunk):
            more = run_pieces(self.values, split, rows[first : first + BY_VALUES.chunk], self.transcript.rng)
            points, pieces, errors = map(np.concatenate, zip((points, pieces, errors), more, strict=True))
            self.consider(split, rows, pieces)
        self.refine(split, rows, points, pieces, errors)
        self.transcript.keep(points, pieces)
        self.on_line = len(rows)
        place = np.searchsorted(rows, split.left)
        self.best.units = self.sure(self.best.units, errors, place)
        self.sharpen()

    def sure(self, units: Units, errors: Array, before: Index) -> Units:
        """Leave out the units whose jump is blurred; the rest is right without them."""
        sizes = np.linalg.norm(units.jumps[:, :-1], axis=1)
        blur = (errors[before] + errors[before + 1]) * np.sqrt(self.lines.input_size)
        sure = (sizes > 0) & (blur <= self.values.tolerances.alike * sizes)
        return Units(units.jumps[sure], units.sides[sure])

    def consider(self, split: Split, rows: Index, pieces: Array) -> None:
        """Take the differences of neighbouring pieces as units, as far as there are pieces."""
        place = np.searchsorted(rows, split.left)
        known = place + 1 < len(pieces)
        gradients = pieces[:, :-1]
        jumps = gradients[place[known] + 1] - gradients[place[known]]
        levels = np.einsum("hd,hd->h", jumps, split.points()[known])
        jumps = np.column_stack([jumps, -levels])
        beyond = np.einsum("hd,hd->h", jumps[:, :-1], split.directions[split.line()[known]])
        self.best = Fit(Units(jumps, np.sign(beyond)), pieces[0], 0.0)
        self.report(self.best)

    def refine(self, split: Split, rows: Index, points: Array, pieces: Array, errors: Array) -> None:
        """Take the least exact pieces again, in place, at points of the same cells with more room."""
        sizes = np.linalg.norm(self.best.units.jumps[:, :-1], axis=1)
        shown = sizes > 0  # the steps of rounded values may look like kinks, at which no gradient changes
        place, sizes = np.searchsorted(rows, split.left)[shown], sizes[shown]
        weakest = np.full(len(rows), np.inf)  # of the jumps that a piece decides
        np.minimum.at(weakest, np.concatenate([place, place + 1]), np.tile(sizes, 2))
        deciding = np.flatnonzero(np.isfinite(weakest))
        worst = np.argsort(-errors[deciding] / weakest[deciding], kind="stable")
        poor = deciding[worst][: int(1 + BY_VALUES.most_poor * len(rows))]
        poor = poor[errors[poor] > BY_VALUES.poor * weakest[poor]]
        if not len(poor):
            return
        moved, reach = widen(points[poor], self.best.units.jumps[shown] / sizes[:, None])
        inside = self.admitted(moved)
        poor, moved, reach = poor[inside], moved[inside], reach[inside]
        again, error = differences(self.values, moved, None, self.transcript.rng, BY_VALUES.room * reach)
        same = np.abs(again - pieces[poor])[:, :-1].max(axis=1) <= BY_VALUES.same_piece * (
            errors[poor] + error
        )
        better = same & (
            error < errors[poor]
        )  # another piece: a unit is on there that the line did not cross
        poor = poor[better]
        points[poor], pieces[poor], errors[poor] = moved[better], again[better], error[better]
        self.consider(split, rows, pieces)

    def admitted(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie in the domain, shape (n,)."""
        if self.lines.domain is None:
            return np.ones(len(points), bool)
        low, high = self.lines.domain
        return np.asarray(((points > low) & (points < high)).all(axis=1))

    def sharpen(self) -> None:
        """Refit every offset where its hyperplane is met alone and near, and the output's constant."""
        units = self.best.units
        sizes = np.linalg.norm(units.jumps[:, :-1], axis=1)
        if len(sizes):
            samples = self.lines.samples(OFFSETS.candidates)
            offsets = sharpened_offsets(self.values, units.jumps / sizes[:, None], sizes, samples)
            units = Units(np.column_stack([units.jumps[:, :-1], offsets * sizes]), units.sides)
        left = self.left(units)
        base = self.best.base + np.append(np.zeros(self.lines.input_size), np.median(left[: self.on_line]))
        self.best = Fit(units, base, 0.0)
        self.report(self.best)

    def left(self, units: Units) -> Array:
        """Return what these units and the base leave of the values around which pieces were taken."""
        points = self.transcript.points
        return np.asarray(self.transcript.values() - units.values(points) - points @ self.best.base)

    def settle(self) -> None:
        """Refit the output's constant, every unit known: values are sharper near the origin."""
        weights = 1 / np.linalg.norm(self.transcript.points, axis=1) ** 2
        self.best.base[-1] += np.average(self.left(self.best.units), weights=weights)

    def next_line(self, remainder: Remainder, start: Array, end: Array) -> bool:
        """Search what is left on the line through two points; return whether there was a new unit."""
        ends = np.array([self.lines.ends()])
        split = split_lines(remainder, start[None], (end - start)[None], ends[:, 0], ends[:, 1])
        if not len(split.left):
            return False
        if self.contradicted(split):
            raise Contradicted
        rows = np.unique(np.concatenate([split.left, split.left + 1]))
        points, radius = middles(split, rows, self.best.units.jumps)
        pieces, errors = differences(self.values, points, radius, self.transcript.rng)
        self.transcript.keep(points, pieces)
        known = self.best.base + self.best.units.pieces(homogeneous(self.values.representable(points)))
        before = np.searchsorted(rows, split.left)
        jumps = np.diff(pieces - known, axis=0)[before, :-1]
        jumps = np.column_stack([jumps, -np.einsum("hd,hd->h", jumps, split.points())])
        at_base = jumps @ self.transcript.points[0]  # where the base was taken a new unit is off
        side = np.sign(jumps[:, :-1] @ (end - start))  # on after the kink
        turned = np.where(at_base * side > 0, -1.0, 1.0)[:, None]
        units = self.sure(Units(jumps * turned, side), errors, before)
        known_units = corrected(self.best.units, units)
        grown = add_hyperplanes(known_units, units, self.values.tolerances.alike)
        found = known_units is not self.best.units or len(grown) > len(known_units)
        self.best = Fit(grown, self.best.base, 0.0)
        self.sharpen()
        return found

    def contradicted(self, split: Split) -> bool:
        """Whether several kinks are left on hyperplanes of units that were subtracted."""
        units = self.best.units
        start, along = split.origins[0], split.directions[0]
        growth = units.jumps[:, :-1] @ along
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = -(units.jumps @ np.append(start, 1.0)) / growth
        near = np.abs(split.t[:, None] - crossing) <= BY_VALUES.same_place * (1 + np.abs(split.t[:, None]))
        slope = split.runs.slope()
        turn = np.abs(slope[split.left + 1] - slope[split.left])
        left = (near & (turn[:, None] > REMAINDER.gross * np.abs(growth))).any(axis=1)
        return bool(left.sum() >= max(BY_VALUES.most_left, len(split.t) / 8))
