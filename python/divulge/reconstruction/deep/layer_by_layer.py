"""Layer after layer, from the input inwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates, joined
from divulge.reconstruction.deep.confirm_together import sharp_far_out
from divulge.reconstruction.deep.counterexamples import (
    mending,
    nearer,
    worst_answered,
    wrong_at_points,
    wrong_on_lines,
)
from divulge.reconstruction.deep.fit_as_last import Book, DeepFit, Report, fit_as_last
from divulge.reconstruction.deep.narrow_layers import NarrowLayers, free_layer
from divulge.reconstruction.deep.orientation.choose import turned
from divulge.reconstruction.deep.passage import beyond_rows, on_both_sides, passed_on_at
from divulge.reconstruction.deep.region_search import explore
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.rows_by_all_outputs import AskedOfAll
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.deep.slopes_below import too_many, whole_rows_behind, with_slopes
from divulge.reconstruction.deep.unexplained_gradients import far_origin, unexplained
from divulge.reconstruction.deep.units_of_layer import LayerUnits, together
from divulge.reconstruction.deep.weak_in_the_dark import met_in_the_dark
from divulge.reconstruction.deep.weak_units import weak_sharpened
from divulge.reconstruction.deep.whole_rows import whole_rows_by_all
from divulge.reconstruction.deep.wide.search import can_follow
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.network.orientation import orient
from divulge.reconstruction.settings import LAST_LAYER, LAYERS, POSITIVE, UNEXPLAINED


class DeepSearch:
    """The state of a search through many layers, from one output's answers."""

    def __init__(
        self, probe: Probe, lines: Lines, book: Book, report: Report, others: Callable[[], list[Probe]] = list
    ) -> None:
        self.probe, self.others = probe, others  # outputs that the same answers hold
        self.lines = lines
        self.book, self.report = book, report
        self.pool = Pool(probe, lines)
        self.confirmed: list[Candidates] = []  # of each layer, orientation open
        self.oriented_layers: list[Dense] = []
        self.best: DeepFit | None = None
        self.doubted: DeepFit | None = None  # the last one that was found wrong somewhere
        self.borne_out: list[int] = []  # sizes of the fit that random lines and points have borne out
        self.unturned: int | None = None  # the layer behind which nothing could be looked for
        self.stuck = 0  # rounds in which nothing new was found, and that layer could not be turned
        self.followed = False  # whether units behind a wide first layer were followed
        self.idle = self.seen_units = 0  # rounds in which the first layer did not grow, and its units
        self.units = LayerUnits(probe, self.pool, lines)
        self.narrow = NarrowLayers(probe, self.pool, lines)
        self.asked_whole: Dense | None = None  # the first layer behind which whole rows were looked for
        self.whole_behind: Dense | None = None  # and behind which the last layer's were found
        self.beside_axes: AskedOfAll | None = None  # answers of all outputs behind it

    def run(self) -> DeepFit | None:
        """Find all layers; return the best fit, or None where not even one layer was found."""
        if together(self.probe, Prefix(self.probe.input_size), self.lines):
            self.pool.begin()
        else:
            self.pool.sweep(*self.pool.new_lines(LAYERS.lines))
        bent = self.stuck = 0
        for _ in range(LAYERS.rounds):
            before = self.unturned, [len(units) for units in self.confirmed]
            self.layers()
            if not self.is_explained and self.narrow.begins(self.known_prefix, self.has_passage):
                del self.oriented_layers[1:], self.confirmed[1:]  # cells show it whole
                self.stuck = 0
                continue
            again = before == (self.unturned, [len(units) for units in self.confirmed])
            self.stuck = self.stuck + 1 if again and self.unturned is not None else 0
            if self.stuck == LAYERS.stuck_rounds or self.to_be_followed():
                break
            if self.best is None or not self.is_explained:
                if again and self.best is not None:
                    self.sweep_through(worst_answered(self.probe, self.best.model))
                self.pool.sweep(*self.pool.new_lines(LAYERS.lines))
            elif self.probe.rounded:
                break  # what is left is rounding here and there, which no more units explain
            elif self.seen_whole(self.best):
                break
            elif self.filled():
                continue
            elif not self.leftovers(self.best) and not self.refuted(self.best):
                self.borne_out = self.best.model.hidden_sizes
                if bent == LAYERS.more_rounds or not self.leaves_slope(self.best):
                    break
                bent += 1
                self.pool.sweep(*self.pool.new_lines(LAYERS.lines))
        return self.at_the_end

    def to_be_followed(self) -> bool:
        """Whether units behind the first layer, wider than its input or passed by, are to be followed now.

        That is done once, when some rounds have shown no more of its units, and where it can be done.
        """
        if not self.confirmed or not can_follow(self.probe) or self.followed:
            return False
        units = len(self.confirmed[0])
        self.idle = self.idle + 1 if units == self.seen_units else 0
        self.seen_units = units
        if self.idle < LAYERS.idle_wide or self.is_explained:
            return False
        return units > self.probe.input_size or (self.unturned == 0 and self.has_passage())

    @property
    def stuck_behind_slopes(self) -> bool:
        """Whether nothing explained the answers behind a first layer whose slopes below 0 were told."""
        sloped = any(layer.slopes is not None for layer in self.oriented_layers[:1])
        return sloped and not (self.followed or self.is_explained) and can_follow(self.probe)

    @property
    def is_explained(self) -> bool:
        """Whether the best fit explains its answers."""
        return self.best is not None and self.best.error <= self.enough

    @property
    def known_prefix(self) -> Prefix:
        """Return the layers turned so far."""
        return Prefix(self.probe.input_size, self.oriented_layers)

    def has_passage(self) -> bool:
        """Whether gradients show the input beside what the first layer makes of it."""
        units = self.confirmed[0]
        return on_both_sides(self.probe, units) or beyond_rows(self.probe, units)

    def adopt(self, fit: DeepFit) -> None:
        """Take a fit of two hidden layers that was found by following units."""
        self.best, self.unturned, self.confirmed = fit, None, self.confirmed[:1]

    @property
    def latest(self) -> DeepFit | None:
        """Return the best fit, or the last one that was found wrong if that explains more answers.

        While layers are gone through anew the best fit is one of the first of them alone.
        """
        if self.best is None or self.is_explained or self.doubted is None:
            return self.best or self.doubted
        return min(self.best, self.doubted, key=lambda fit: fit.error)

    @property
    def at_the_end(self) -> DeepFit | None:
        """Return the latest fit; one that was found wrong explains nothing."""
        fit = self.latest
        return fit if fit is None or fit is self.best else replace(fit, error=np.inf)

    def forget(self) -> None:
        """Look for another best fit; keep this one in case that none is found.

        Among cells it is taken off what is searched from now on: it is wrong at few places.
        """
        if self.narrow.begun and self.best is not None and self.is_explained:
            self.pool.take_off(self.best.model)
        self.doubted, self.best, self.borne_out = self.latest, None, []

    def filled(self) -> bool:
        """Look for entries that are missing in rows; return whether any was found."""
        prefix = Prefix(self.probe.input_size)
        for depth, units in enumerate(self.confirmed):
            whole = self.units.completed_by_programme(prefix, units)
            if whole.known.sum() > units.known.sum():
                self.confirmed[depth:] = [self.units.without_doubles(whole)]
                del self.oriented_layers[depth:]
                self.forget()
                return True
            if depth == len(self.oriented_layers):
                break
            prefix = prefix.grown(self.oriented_layers[depth])
        return False

    def seen_whole(self, fit: DeepFit) -> bool:
        """Whether the last layer was read as whole rows, and every unit that is ever on looked for there."""
        return len(fit.prefix.layers) == 1 and fit.prefix.layers[0] is self.whole_behind

    def leaves_slope(self, fit: DeepFit) -> bool:
        """Whether a linear part remains beside the last layer, as that of a unit that is nearly always on."""
        if self.probe.tolerances.blunt:
            return False  # whether it is one shows once the copy has been refitted
        found = orient(fit.layer, self.probe.tolerances.loose)
        return found.slope or not found.decided

    def leftovers(self, fit: DeepFit) -> bool:
        """Add units of the last hidden layer that only single kinks show; return whether there are any."""
        depth = len(fit.prefix.layers)
        if depth >= len(self.confirmed):
            return False  # that layer's units were lost since the fit was made
        units, single = self.units.leftovers(fit.model.whole(), fit.prefix, self.narrow.begun)
        if not len(units):  # one that is on far out alone shows at no random place of its hyperplane
            refit = partial(self.as_last, fit.prefix)
            units = mending(self.probe, fit, self.confirmed[depth], single, refit, self.enough)
        if not len(units):
            return False
        grown = joined(self.confirmed[depth], units)
        better = self.as_last(fit.prefix, grown)
        if better.error > self.enough:
            return False
        self.confirmed[depth], self.best = grown, better
        return True

    def refuted(self, fit: DeepFit) -> bool:
        """Ask on more lines and at more points, once about the same units; where a fit is wrong search on."""
        model = fit.model
        if model.hidden_sizes == self.borne_out:
            return False
        segment = wrong_on_lines(self.pool, model, self.enough)
        if segment is not None:
            self.forget()
            self.pool.sweep(*segment)
            return True
        point = wrong_at_points(self.pool, model, self.enough)
        if point is not None:
            self.look_through(point)
        return point is not None

    def look_through(self, point: Array) -> None:
        """Search on from a point where the best fit is wrong, and where it begins to be on the way there."""
        fit = self.latest
        begins = None if fit is None else nearer(self.probe, fit.model, point, self.enough)
        self.oriented_layers = passed_on_at(self.known_prefix, map(len, self.confirmed), point)
        self.forget()
        if begins is not None:
            right, point = begins
            self.pool.sweep(right[None], (point - right)[None], 0.0, 1.0)
        self.sweep_through(point)

    def sweep_through(self, point: Array) -> None:
        """Search a random line through a point, in a box from there to a point that is no vertex."""
        _, directions = self.pool.new_lines(1)
        if self.lines.domain is not None:
            directions = self.lines.inside(1) - point
        self.pool.sweep(point[None], directions)

    @property
    def enough(self) -> float:
        """Relative residual from which on a fit explains its answers."""
        return LAYERS.single_error if self.probe.rounded else self.probe.tolerances.alike

    def layers(self) -> None:
        """Go through the layers as far as the pool of kinks reaches."""
        self.pool.take_as_known(self.known_prefix)
        prefix, depth = Prefix(self.probe.input_size), 0
        self.unturned = None
        while True:
            before = self.confirmed[depth] if depth < len(self.confirmed) else None
            units = self.units_after(prefix, depth)
            self.book(depth)
            if not len(units):
                if depth > 1 and self.narrow.begun:  # more of the one before are looked for
                    del self.oriented_layers[depth - 1 :], self.confirmed[depth:]
                return
            fit = self.consider(self.as_last(prefix, units))
            changed = self.changed(units, before)
            if fit.error <= self.enough:
                return
            if changed:
                del self.oriented_layers[depth:], self.confirmed[depth + 1 :]
            if depth >= len(self.oriented_layers):
                layer = self.with_sides(prefix, depth, units)
                if layer is None:
                    self.unturned = depth
                    return
                self.oriented_layers.append(layer)
                self.book(depth)
            prefix = prefix.grown(self.oriented_layers[depth])
            depth += 1

    def with_sides(self, prefix: Prefix, depth: int, units: Candidates) -> Dense | None:
        """Return a layer turned, or with its units' slopes below 0; None where answers do not tell."""
        behind = any(layer.slopes is not None for layer in prefix.layers[-1:])
        likely = behind or (not depth and on_both_sides(self.probe, units))
        layer = with_slopes(self.probe, prefix, units, self.lines) if likely else None
        if layer is not None:
            return layer
        not_told = (behind and not too_many(prefix, units)) or (likely and can_follow(self.probe))
        return None if not_told else self.turned(prefix, depth, units)

    def changed(self, units: Candidates, before: Candidates | None) -> bool:
        """Whether a layer is turned anew: it has grown, or in cells, which tell deeper units, is another."""
        if before is None or len(units) > len(before):
            return True
        if not self.narrow.begun:
            return False
        lost = len(self.units.without_doubles(joined(before, units))) > len(units)
        return lost or units.known.sum() > before.known.sum()

    def turned(self, prefix: Prefix, depth: int, units: Candidates) -> Dense | None:
        """Turn a layer's units the right way, where that cannot be without those that are a deeper one's."""
        if not depth and len(units) <= self.probe.input_size and sharp_far_out(self.probe, self.lines):
            sharper = weak_sharpened(self.probe, units, self.lines, self.pool.usual)
            if sharper is not units:
                self.confirmed[0] = units = self.units.without_doubles(sharper)
        free = self.narrow.first(prefix)
        if free is not None:
            layer = self.narrow.turned(prefix, free, units, self.enough)
            if layer is None or layer.units == len(units):
                return layer
            find = partial(self.find_in_cells, prefix, depth)
            return self.narrow.without_always_on(prefix, free, layer, find, self.enough)
        layer = turned(self.pool, prefix, units, self.enough)
        if layer is not None or not self.stuck:
            return layer
        own = self.units.without_deeper(prefix, units)
        if len(own) in (0, len(units)):
            return None
        self.confirmed[depth] = own
        return turned(self.pool, prefix, own, self.enough)

    def units_after(self, prefix: Prefix, depth: int) -> Candidates:
        """Look for the units of the layer after the prefix, in chosen regions too where that pays."""
        free = free_layer(self.probe, self.lines, prefix)
        if depth == 1 and free is not None and prefix.layers[0] is not self.asked_whole:
            self.asked_whole = prefix.layers[0]
            others = self.others() if sharp_far_out(self.probe, self.lines) else []
            whole, self.beside_axes = whole_rows_by_all(self.probe, free, self.lines, others)
            if whole is not None:
                self.whole_behind = self.asked_whole
                self.confirmed[depth : depth + 1] = [whole]
                return whole
        if depth == 1 and prefix.layers[0].slopes is not None and prefix.layers[0] is not self.asked_whole:
            self.asked_whole = prefix.layers[0]
            units = whole_rows_behind(self.probe, prefix.layers[0], self.lines)
            if units is not None and self.as_last(prefix, units).error <= self.enough:
                self.confirmed[depth : depth + 1] = [units]
                return units
        find = partial(self.find, prefix, depth, free if depth == 1 else None)
        if depth == 0:
            return self.spanning(find)
        narrow = self.narrow.first(prefix)
        if narrow is not None:
            find_in_cells = partial(self.find_in_cells, prefix, depth)
            if depth < len(self.oriented_layers):
                return find_in_cells(narrow)
            return self.narrow.explored(prefix, narrow, find_in_cells)
        if free is None or len(prefix.layers[0]) < LAYERS.wide:
            return find()
        return explore(self.pool, prefix, free, find, self.enough)

    def spanning(self, find: Callable[[], Candidates]) -> Candidates:
        """Find the units of the first layer, until their rows span every gradient, or lines bring no more."""
        units, idle = find(), 0
        while together(self.probe, Prefix(self.probe.input_size), self.lines) and idle < UNEXPLAINED.idle:
            left = unexplained(self.probe, units.rows)
            if left is None:
                break
            strength, direction = left
            before = len(units)
            if strength <= UNEXPLAINED.weak:
                weak = met_in_the_dark(self.pool, units, direction, self.lines)
                if weak is None:
                    break
                self.confirmed[0] = units = self.units.without_doubles(joined(units, weak))
            else:
                self.pool.sweep(far_origin(self.probe, units, self.lines)[None], direction[None])
                units = find()
            idle = 0 if len(units) > before else idle + 1
        return units

    def find(self, prefix: Prefix, depth: int, free: FreeLayer | None) -> Candidates:
        """Find the units of the layer at a depth that are known by now, and take them as confirmed."""
        known = self.confirmed[depth] if depth < len(self.confirmed) else None
        units = self.units.find(prefix, known, free)
        self.confirmed[depth : depth + 1] = [units]
        return units

    def find_in_cells(self, prefix: Prefix, depth: int, free: FreeLayer) -> Candidates:
        """Find the units of a narrow layer that chords of cells show by now, and take them as confirmed."""
        known = self.confirmed[depth] if depth < len(self.confirmed) else None
        units = self.units.find_in_cells(prefix, known, free)
        self.confirmed[depth : depth + 1] = [units]
        return units

    def as_last(self, prefix: Prefix, units: Candidates) -> DeepFit:
        """Fit an output on the units as if theirs were the last hidden layer."""
        whole = self.whole_behind is not None and self.whole_behind in prefix.layers
        units, fits = self.narrow.decided(prefix, units), []
        many = POSITIVE.single_clearances if self.probe.rounded else POSITIVE.clearances
        for clearance in many if whole else (LAST_LAYER.clearance,):
            fits.append(fit_as_last(self.probe, self.pool.usual, prefix, units, clearance, hardly_on=whole))
            if fits[-1].error <= self.probe.tolerances.rounding:
                break
        return min(fits, key=lambda fit: fit.error)

    def consider(self, fit: DeepFit) -> DeepFit:
        """Keep a fit if it is the best so far; of two that leave rounding the later, which knows more."""
        if self.best is None or fit.error <= max(self.best.error, self.probe.tolerances.rounding):
            self.best = fit
        self.report(fit)
        return fit
