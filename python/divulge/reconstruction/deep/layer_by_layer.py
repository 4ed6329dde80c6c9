"""Layer after layer, from the input inwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep import last_layer
from divulge.reconstruction.deep.candidates import Candidates, group, joined, merge
from divulge.reconstruction.deep.confirm import shown
from divulge.reconstruction.deep.counterexamples import worst_answered, wrong_at_points, wrong_on_lines
from divulge.reconstruction.deep.evidence import explained_by, hits
from divulge.reconstruction.deep.missing_entries.by_edges import Vain, complete, completed_by_programme
from divulge.reconstruction.deep.orientation.choose import turned
from divulge.reconstruction.deep.partial_rows import Segments
from divulge.reconstruction.deep.region_search import explore
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.deep.sharpen_offsets import sharpened
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Mask, Prefix
from divulge.reconstruction.network.orientation import orient
from divulge.reconstruction.settings import CONFIRM, LAYERS

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass
class DeepFit:
    """What is known of a network of many layers.

    Attributes:
        prefix: all hidden layers but the last.
        layer: the last hidden layer over the prefix's features, with the outputs solved so far.
        error: relative residual of the answers that the outputs were solved from.
        design: where those answers were given.
    """

    prefix: Prefix
    layer: Layer
    error: float
    design: last_layer.Design

    @property
    def model(self) -> DeepModel:
        """The network."""
        return DeepModel(self.prefix, self.layer)


class DeepSearch:
    """The state of a search through many layers, from one output's answers."""

    def __init__(
        self, probe: Probe, lines: Lines, book: Callable[[int], None], report: Callable[[DeepFit], None]
    ) -> None:
        self.probe = probe
        self.lines = lines
        self.book = book
        self.report = report
        self.pool = Pool(probe, lines)
        self.confirmed: list[Candidates] = []  # of each layer, orientation open
        self.oriented_layers: list[Dense] = []
        self.best: DeepFit | None = None
        self.doubted: DeepFit | None = None  # the last one that was found wrong somewhere
        self.unturned: int | None = None  # the layer behind which nothing could be looked for
        self.refusals: dict[tuple[Dense, ...], Counter[bytes]] = {}
        self.vain: dict[tuple[Dense, ...], Vain] = {}
        self.kept: dict[
            tuple[Dense, ...], tuple[Segments, int]
        ] = {}  # solved jumps by layers, of how many sweeps

    def run(self) -> DeepFit | None:
        """Find all layers; return the best fit, or None where not even one layer was found."""
        self.pool.sweep(*self.pool.new_lines(LAYERS.lines))
        bent = stuck = 0
        for _ in range(LAYERS.rounds):
            before = self.unturned, [len(units) for units in self.confirmed]
            self.layers()
            again = before == (self.unturned, [len(units) for units in self.confirmed])
            stuck = stuck + 1 if again and self.unturned is not None else 0
            if stuck == LAYERS.stuck_rounds:
                break
            if self.best is None or self.best.error > self.enough:
                if again and self.best is not None:
                    self.sweep_through(worst_answered(self.probe, self.best.model))
                self.pool.sweep(*self.pool.new_lines(LAYERS.lines))
            elif self.probe.rounded:
                break  # what is left is rounding here and there, which no more units explain
            elif self.filled():
                continue
            elif not self.leftovers(self.best) and not self.refuted(self.best):
                if bent == LAYERS.more_rounds or not self.leaves_slope(self.best):
                    break
                bent += 1
                self.pool.sweep(*self.pool.new_lines(LAYERS.lines))
        return self.latest

    @property
    def latest(self) -> DeepFit | None:
        """Return the best fit, or the last one that was found wrong if there is none since."""
        return self.best or self.doubted

    def forget(self) -> None:
        """Look for another best fit; keep this one in case that none is found."""
        self.doubted, self.best = self.latest, None

    def filled(self) -> bool:
        """Look for entries that are missing in rows; return whether any was found."""
        prefix = Prefix(self.probe.input_size)
        for depth, units in enumerate(self.confirmed):
            vain = self.vain.setdefault(tuple(prefix.layers), Counter())
            whole = completed_by_programme(self.probe, prefix, units, self.lines, vain)
            if whole.known.sum() > units.known.sum():
                self.confirmed[depth:] = [self.without_doubles(whole)]
                del self.oriented_layers[depth:]
                self.forget()
                return True
            if depth == len(self.oriented_layers):
                break
            prefix = prefix.grown(self.oriented_layers[depth])
        return False

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
        single = self.unexplained(fit.model.whole(), fit.prefix)
        vain = self.vain.setdefault(tuple(fit.prefix.layers), Counter())
        units = complete(self.probe, fit.prefix, merge(single, np.arange(len(single))), self.lines, vain)
        units = self.without_doubles(units.take(self.confirm(fit.prefix, units)))
        if not len(units):
            return False
        grown = joined(self.confirmed[depth], units)
        better = self.as_last(fit.prefix, grown)
        if better.error > self.enough:
            return False
        self.confirmed[depth], self.best = grown, better
        return True

    def refuted(self, fit: DeepFit) -> bool:
        """Ask on more lines and at more points; where the fit is wrong, search there."""
        model = fit.model
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
        """Search on from a point where the best fit is wrong."""
        self.forget()
        self.sweep_through(point)

    def sweep_through(self, point: Array) -> None:
        """Sweep a random line through a point."""
        origins, directions = self.pool.new_lines(1)
        self.pool.sweep(point[None], directions if self.lines.domain is None else origins - point)

    @property
    def alike(self) -> float:
        """Angle between rows that counts as none."""
        return self.probe.tolerances.alike

    @property
    def enough(self) -> float:
        """Relative residual from which on a fit explains its answers."""
        return LAYERS.single_error if self.probe.rounded else self.probe.tolerances.alike

    def layers(self) -> None:
        """Go through the layers as far as the pool of kinks reaches."""
        self.pool.take_as_known(Prefix(self.probe.input_size, self.oriented_layers))
        prefix, depth = Prefix(self.probe.input_size), 0
        self.unturned = None
        while True:
            before = len(self.confirmed[depth]) if depth < len(self.confirmed) else 0
            units = self.units_after(prefix, depth)
            self.book(depth)
            if not len(units):
                return
            fit = self.consider(self.as_last(prefix, units))
            grew = len(units) > before
            if fit.error <= self.enough:
                return
            if grew:
                del self.oriented_layers[depth:], self.confirmed[depth + 1 :]
            if depth >= len(self.oriented_layers):
                layer = turned(self.pool, prefix, units, self.enough)
                if layer is None:
                    self.unturned = depth
                    return
                self.oriented_layers.append(layer)
                self.book(depth)
            prefix = prefix.grown(self.oriented_layers[depth])
            depth += 1

    def units_after(self, prefix: Prefix, depth: int) -> Candidates:
        """Look for the units of the layer after the prefix, in chosen regions too where that pays."""
        first = Prefix(self.probe.input_size, prefix.layers[:1])
        free = FreeLayer.of(first, self.lines.domain, self.lines.samples(LAYERS.samples))
        find = partial(self.find_layer, prefix, depth, free if depth == 1 else None)
        if free is None or first.width < LAYERS.wide:
            return find()
        return explore(self.pool, prefix, free, find, self.enough)

    def consider(self, fit: DeepFit) -> DeepFit:
        """Keep a fit if it is the best so far."""
        if self.best is None or fit.error <= self.best.error:
            self.best = fit
        self.report(fit)
        return fit

    def find_layer(self, prefix: Prefix, depth: int, free: FreeLayer | None) -> Candidates:
        """Return the units of the layer after the prefix that are known by now."""
        known = self.confirmed[depth] if depth < len(self.confirmed) else None
        units, old = self.candidates(prefix, known)
        units = self.sharp(prefix, units, ~old & (units.members > 1))
        old |= self.beyond_chance(units)
        untried = old | ~self.refused(prefix, units)
        units, old = units.take(untried), old[untried]
        keep = old.copy()
        keep[~old] = self.worth_completing(prefix, units.take(~old), free)
        self.refuse(prefix, units.take(~keep))
        vain = self.vain.setdefault(tuple(prefix.layers), Counter())
        units, old = complete(self.probe, prefix, units.take(keep), self.lines, vain), old[keep]
        new = ~old if free is None else ~old & units.known.all(axis=1)
        keep = old | self.confirmed_again(prefix, units, new)
        self.refuse(prefix, units.take(~keep))
        units = units.take(keep)
        units = self.without_doubles(units)
        self.confirmed[depth : depth + 1] = [units]
        return units

    def sharp(self, prefix: Prefix, units: Candidates, new: Mask) -> Candidates:
        """Sharpen the offsets of new units where answers are rounded."""
        if not self.probe.rounded or not new.any():
            return units
        offsets = units.offsets.copy()
        offsets[new] = sharpened(self.probe, prefix, units.take(new), self.lines).offsets
        return replace(units, offsets=offsets)

    def refuse(self, prefix: Prefix, units: Candidates) -> None:
        """Remember the single kinks that were no unit's of the layer after the prefix."""
        known = self.refusals.setdefault(tuple(prefix.layers), Counter())
        known.update(point.tobytes() for point in units.points[units.members == 1])

    def refused(self, prefix: Prefix, units: Candidates) -> Mask:
        """Return which candidates are single kinks that were refused before."""
        known = self.refusals.get(tuple(prefix.layers), Counter())
        single: Mask = units.members == 1
        return (
            np.asarray([known[point.tobytes()] >= LAYERS.refusals for point in units.points], bool) & single
        )

    def beyond_chance(self, units: Candidates) -> Mask:
        """Return which candidates were met twice in a layer so wide that no deeper unit looks alike twice.

        A deeper unit shows one row at two places only where all units of this layer have the same states.
        """
        twice = units.members > 1
        return twice if twice.sum() >= LAYERS.many else np.zeros(len(units), bool)

    def confirmed_again(self, prefix: Prefix, units: Candidates, new: Mask) -> Mask:
        """Confirm new units at more places, now that more of their rows is known."""
        out = np.zeros(len(units), bool)
        out[new] = self.confirm(prefix, units.take(new))
        return out

    def without_doubles(self, units: Candidates) -> Candidates:
        """Merge units that turn out to be one once their rows are completed."""
        alike = LAYERS.single_alike if self.probe.rounded else self.alike
        groups = group(units.segments(), alike, LAYERS.overlap)
        return merge(units.segments(), groups)

    def candidates(self, prefix: Prefix, known: Candidates | None) -> tuple[Candidates, Mask]:
        """Return the units that the pool of kinks shows and the sweeps bear out, and which are known."""
        found = self.unexplained(prefix, prefix)
        is_known = np.zeros(len(found), bool)
        if known is not None:
            found = self.beyond(prefix, known, found)
            is_known = np.arange(len(found) + len(known)) >= len(found)
            found = found.joined(known.segments())
        groups = group(found, self.alike, LAYERS.overlap)
        merged = merge(found, groups)
        old = np.bincount(groups, weights=is_known, minlength=len(merged)) > 0
        seen, due = hits(prefix, merged, self.pool.sweeps, self.probe.tolerances.missing)
        keep = (seen >= LAYERS.hit_share * due) & (old | (seen > 0))
        if self.probe.rounded:
            keep |= old  # a blunt row misses kinks that are there
        return merged.take(keep), old[keep]

    def beyond(self, prefix: Prefix, known: Candidates, found: Segments) -> Segments:
        """Forget what lies on hyperplanes of units whose whole rows are known: it tells nothing more."""
        whole = known.take(np.asarray(known.known.all(axis=1)))
        on = explained_by(
            Dense(whole.rows, whole.offsets), prefix.features(found.points), self.probe.tolerances.loose
        )
        left = found.take(~on)
        self.kept[tuple(prefix.layers)] = (left, len(self.pool.sweeps))
        return left

    def worth_completing(self, prefix: Prefix, units: Candidates, free: FreeLayer | None) -> Mask:
        """Return which candidates show at predicted places, or were met twice and have no such place.

        Where a whole row takes two questions, and those cost no more than others, all are worth it.
        """
        if free is not None and not self.probe.bends_are_cheap:
            return np.ones(len(units), bool)
        share, asked = shown(
            self.probe,
            prefix,
            units,
            self.lines,
            LAYERS.places if self.probe.bends_are_cheap else CONFIRM.first_places,
        )
        return np.where(asked > 0, share >= 0.5, units.members > 1)

    def confirm(self, prefix: Prefix, units: Candidates) -> Mask:
        """Look for the hyperplanes at random places where they must show."""
        share, asked = shown(self.probe, prefix, units, self.lines, LAYERS.places)
        return np.asarray((share >= LAYERS.hit_share) & (asked > 1))

    def unexplained(self, known: Prefix, prefix: Prefix) -> Segments:
        """Return what the kinks of no known unit say of the layer after the prefix."""
        if known is not prefix:
            return self.pool.solved(known, prefix, self.pool.sweeps)
        key = tuple(prefix.layers)
        kept, count = self.kept.get(key, (None, 0))
        if count < len(self.pool.sweeps):
            more = self.pool.solved(prefix, prefix, self.pool.sweeps[count:])
            kept = more if kept is None else kept.joined(more)
            self.kept = {k: v for k, v in self.kept.items() if k == key[: len(k)]}
            self.kept[key] = (kept, len(self.pool.sweeps))
        assert kept is not None
        return kept

    def as_last(self, prefix: Prefix, units: Candidates) -> DeepFit:
        """Fit an output on the units as if theirs were the last hidden layer."""
        layer = last_layer.as_layer(units)
        points, pieces = self.probe.answered()
        order = np.random.default_rng(0).permutation(len(points))
        order = order[np.argsort(np.linalg.norm(points[order], axis=1) > self.pool.usual, kind="stable")]
        chosen = order[last_layer.telling_points(prefix, layer, points[order], self.needed(prefix, units))]
        design = last_layer.Design.of(points[chosen], len(units) + prefix.width + 1)
        solution, error = design.solve(
            prefix, layer, pieces[chosen], with_slope=True, blunt=self.probe.rounded
        )
        return DeepFit(prefix, last_layer.with_output(layer, solution, with_slope=True), error, design)

    def needed(self, prefix: Prefix, units: Candidates) -> int:
        """Return how many answers determine an output on these units."""
        unknowns = len(units) + prefix.width + 1
        if self.probe.rounded and prefix.layers:
            return 3 * unknowns
        return 8 + 3 * unknowns // max(1, min(prefix.width, self.probe.input_size) // 3)
