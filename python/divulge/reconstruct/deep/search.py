"""Layer after layer, from the input inwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from divulge.reconstruct.deep import last
from divulge.reconstruct.deep.evidence import explained, hits
from divulge.reconstruct.deep.orientation import coefficients, independent_points, votes
from divulge.reconstruct.deep.prefix import Dense, Prefix
from divulge.reconstruct.deep.segments import Segments, segments
from divulge.reconstruct.deep.sweeps import Sweep, split
from divulge.reconstruct.deep.units import Candidates, group, merge
from divulge.reconstruct.layer import Layer
from divulge.reconstruct.lines import REACH, Lines
from divulge.reconstruct.probe import Probe

Array = NDArray[np.float64]

LINES = 2  # searched at a time
MOST_SWEEPS = 40
SIGN_POINTS = 8
OVERLAP = 3  # entries two segments must share before they can agree by more than chance
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

    def run(self) -> DeepFit | None:
        """Find all layers, or return None where no network explains the answers."""
        prefix = Prefix(self.probe.input_size)
        self.sweep(LINES)
        while True:
            units = self.find_layer(prefix)
            if not len(units):
                if len(self.sweeps) >= MOST_SWEEPS:
                    return None
                self.sweep(LINES)
                prefix = Prefix(self.probe.input_size)
                continue
            self.report(prefix, len(units))
            fit = self.as_last(prefix, units)
            if fit.error <= 1e3 * self.tolerance:
                return fit
            layer = self.oriented(prefix, units)
            if layer is None:
                return fit
            prefix = prefix.grown(layer)

    def sweep(self, count: int) -> None:
        """Search more lines for all their kinks."""
        first = len(self.lines.origins)
        for _ in range(count):
            self.lines.add_line()
        origins, directions = self.lines.origins[first:, :-1], self.lines.directions[first:, :-1]
        ends = (0.0, 1.0) if self.lines.domain else (-REACH, REACH)
        low, high = np.full(count, ends[0]), np.full(count, ends[1])
        self.sweeps += split(self.probe.kinks(origins, directions, low, high), origins, directions, low, high)

    def find_layer(self, prefix: Prefix) -> Candidates:
        """Return the units of the layer after the prefix, sweeping until two sweeps bring no more."""
        units = self.candidates(prefix)
        while len(self.sweeps) < MOST_SWEEPS:
            self.sweep(LINES)
            grown = self.candidates(prefix)
            done = len(grown) <= len(units)
            units = grown
            if done:
                break
        return units

    def candidates(self, prefix: Prefix) -> Candidates:
        """Return the units that agreeing segments of the pool show and that the sweeps bear out."""
        found, sweep_of = self.unexplained(prefix)
        groups = group(found, self.tolerance, OVERLAP)
        first, counts = np.unique(groups, return_counts=True)
        several = np.isin(groups, first[counts > 1])
        merged = merge(found.take(several), groups[several])
        spread = np.array([len(set(sweep_of[groups == number])) > 1 for number in first[counts > 1]], bool)
        merged = merged.take(spread)
        seen, due = hits(prefix, merged, self.sweeps, self.tolerance)
        return merged.take(seen >= np.maximum(2, HIT_SHARE * due))

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

    def as_last(self, prefix: Prefix, units: Candidates) -> DeepFit:
        """Fit an output on the units as if theirs were the last hidden layer."""
        layer = last.as_layer(units)
        unknowns = len(units) + prefix.width + 1
        count = 4 + 2 * unknowns // max(1, min(prefix.width, self.probe.input_size) // 3)
        points = self.lines.samples(count)
        pieces = self.probe.pieces(points)
        matrix = last.equations(prefix, layer, points, with_slope=True)
        solution, error = last.solve(matrix, last.answers(points, pieces))
        return DeepFit(prefix, last.with_output(layer, solution, with_slope=True), error)
