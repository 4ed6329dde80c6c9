"""Layer after layer, from the input inwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from divulge.reconstruct.deep import last
from divulge.reconstruct.deep.bends import borne_out
from divulge.reconstruct.deep.complete import complete
from divulge.reconstruct.deep.evidence import explained, hits, places
from divulge.reconstruct.deep.orientation import coefficients, independent_points, votes
from divulge.reconstruct.deep.prefix import Dense, Prefix
from divulge.reconstruct.deep.segments import Segments, segments
from divulge.reconstruct.deep.sweeps import Sweep, split
from divulge.reconstruct.deep.units import Candidates, agrees_with, group, joined, merge
from divulge.reconstruct.layer import Layer
from divulge.reconstruct.lines import REACH, Lines
from divulge.reconstruct.probe import Probe

Array = NDArray[np.float64]

LINES = 2  # searched at a time
MOST_SWEEPS = 24
SIGN_POINTS = 8
OVERLAP = 3  # entries two segments must share before they can agree by more than chance
PLACES = 5  # where a unit's hyperplane is looked for
HIT_SHARE = 0.6  # of the places where a unit's hyperplane must show


@dataclass
class DeepFit:
    """What is known of a network of many layers.

    Attributes:
        prefix: all hidden layers but the last.
        layer: the last hidden layer over the prefix's features, with the outputs solved so far.
        error: largest relative residual of the answers that the outputs were solved from.
    """

    prefix: Prefix
    layer: Layer
    error: float


class DeepSearch:
    """The state of a search through many layers, from one output's answers."""

    def __init__(
        self, probe: Probe, lines: Lines, rng: np.random.Generator, report: Callable[[Prefix, int], None]
    ) -> None:
        self.probe = probe
        self.lines = lines
        self.rng = rng
        self.report = report
        self.sweeps: list[Sweep] = []
        self.tolerance = max(1e-9, 100 * probe.noise)
        self.samples = np.empty((0, probe.input_size))
        self.answers = np.empty((0, probe.input_size + 1))
        self.confirmed: list[Candidates] = []  # of each layer, orientation open
        self.oriented_layers: list[Dense] = []

    def run(self) -> DeepFit | None:
        """Find all layers, or return None where no network explains the answers."""
        best = None
        while len(self.sweeps) < MOST_SWEEPS:
            self.sweep(LINES)
            fit = self.layers()
            if fit is not None and (best is None or fit.error < best.error):
                best = fit
            if best is not None and best.error <= 1e3 * self.tolerance:
                break
        return best

    def layers(self) -> DeepFit | None:
        """Go through the layers as far as the pool of kinks reaches."""
        prefix, fit, depth = Prefix(self.probe.input_size), None, 0
        while True:
            before = len(self.confirmed[depth]) if depth < len(self.confirmed) else 0
            units = self.find_layer(prefix, depth)
            self.report(prefix, len(units))
            if not len(units):
                return fit
            grew = len(units) > before
            fit = self.as_last(prefix, units)
            if fit.error <= 1e3 * self.tolerance:
                return fit
            if grew and depth:
                return fit  # more lines first
            if grew or depth >= len(self.oriented_layers):
                del self.oriented_layers[depth:], self.confirmed[depth + 1 :]
                layer = self.oriented(prefix, units)
                if layer is None:
                    return fit
                self.oriented_layers.append(layer)
            prefix = prefix.grown(self.oriented_layers[depth])
            depth += 1

    def sweep(self, count: int) -> None:
        """Search more lines for all their kinks."""
        first = len(self.lines.origins)
        for _ in range(count):
            self.lines.add_line()
        origins, directions = self.lines.origins[first:, :-1], self.lines.directions[first:, :-1]
        ends = (0.0, 1.0) if self.lines.domain else (-REACH, REACH)
        low, high = np.full(count, ends[0]), np.full(count, ends[1])
        self.sweeps += split(self.probe.kinks(origins, directions, low, high), origins, directions, low, high)

    def find_layer(self, prefix: Prefix, depth: int) -> Candidates:
        """Return the units of the layer after the prefix that are known by now."""
        known = self.confirmed[depth] if depth < len(self.confirmed) else None
        merged = self.candidates(prefix, known)
        old = np.zeros(len(merged), bool) if known is None else self.same(merged, known)
        new = merged.take(~old)
        new = new.take(self.confirm(prefix, new))
        units = complete(self.probe, prefix, joined(merged.take(old), new), self.lines)
        fresh = np.arange(len(units)) >= old.sum()
        fresh[fresh] = self.confirm(prefix, units.take(fresh))
        fresh[: old.sum()] = True
        units = units.take(fresh)
        self.confirmed[depth : depth + 1] = [units]
        return units

    def same(self, units: Candidates, known: Candidates) -> NDArray[np.bool_]:
        """Whether each candidate is one of those known."""
        return agrees_with(units, known, 1e3 * self.tolerance, OVERLAP)

    def candidates(self, prefix: Prefix, known: Candidates | None) -> Candidates:
        """Return the units that agreeing segments of the pool show and that the sweeps bear out."""
        found, sweep_of = self.unexplained(prefix)
        if known is not None:
            found = found.joined(known.segments())
            sweep_of = np.concatenate([sweep_of, np.full(len(known), -1)])
        groups = group(found, self.tolerance, OVERLAP)
        sweeps_met = [len(set(sweep_of[groups == number])) for number in range(groups.max(initial=-1) + 1)]
        has_known = np.bincount(groups, weights=sweep_of < 0) > 0 if len(groups) else np.zeros(0, bool)
        worth = (np.array(sweeps_met, np.intp) > 1) | has_known
        several = worth[groups]
        merged = merge(found.take(several), groups[several])
        seen, due = hits(prefix, merged, self.sweeps, self.tolerance)
        return merged.take((seen >= HIT_SHARE * due) | has_known[worth])

    def confirm(self, prefix: Prefix, units: Candidates) -> NDArray[np.bool_]:
        """Look for the hyperplanes at random places where they must show."""
        which, points = places(prefix, units, self.lines, PLACES)
        good = borne_out(self.probe, prefix, units, which, points)
        asked = np.bincount(which, minlength=len(units))
        share = np.bincount(which, weights=good, minlength=len(units)) / np.maximum(asked, 1)
        return np.asarray((share >= HIT_SHARE) & (asked > 1))

    def unexplained(self, prefix: Prefix) -> tuple[Segments, NDArray[np.intp]]:
        """Return what the kinks of no known unit say of the next layer, and the sweep of each."""
        points = np.concatenate([s.points(s.t) for s in self.sweeps])
        jumps = np.concatenate([s.jumps for s in self.sweeps])
        sweep_of = np.repeat(np.arange(len(self.sweeps)), [len(s.t) for s in self.sweeps])
        new = ~explained(prefix, points, self.tolerance)
        found = segments(prefix, points[new], jumps[new])
        usable = found.determined & (found.residuals <= 1e3 * self.tolerance)
        return found.take(usable), sweep_of[new][usable]

    def oriented(self, prefix: Prefix, units: Candidates) -> Dense | None:
        """Turn the units the right way, from coefficients at a few points."""
        points = independent_points(prefix, units, self.lines.samples(64 * SIGN_POINTS), SIGN_POINTS)
        if not len(points):
            return None
        pieces = self.probe.pieces(points)
        gamma, _ = coefficients(prefix, units, points, pieces[:, :-1])
        zero = 1e-6 * np.abs(gamma).max()
        turned, _ = votes(prefix, units, points, gamma, zero)
        sign = np.where(turned, -1.0, 1.0)
        return Dense(units.rows * sign[:, None], units.offsets * sign)

    def sampled(self, count: int) -> tuple[Array, Array]:
        """Return pieces at so many random points, asking only for those not asked before."""
        if count > len(self.samples):
            more = self.lines.samples(count - len(self.samples))
            pieces = self.probe.pieces(more)
            self.samples = np.concatenate([self.samples, more])
            self.answers = np.concatenate([self.answers, pieces])
        return self.samples[:count], self.answers[:count]

    def as_last(self, prefix: Prefix, units: Candidates) -> DeepFit:
        """Fit an output on the units as if theirs were the last hidden layer."""
        layer = last.as_layer(units)
        unknowns = len(units) + prefix.width + 1
        points, pieces = self.sampled(
            4 + 2 * unknowns // max(1, min(prefix.width, self.probe.input_size) // 3)
        )
        matrix = last.equations(prefix, layer, points, with_slope=True)
        solution, error = last.solve(matrix, last.answers(points, pieces))
        return DeepFit(prefix, last.with_output(layer, solution, with_slope=True), error)
