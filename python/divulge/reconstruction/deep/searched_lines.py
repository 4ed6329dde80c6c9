"""All lines that were searched so far, and how more of them are searched."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Kinks, Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.confirm_together import on_first_line
from divulge.reconstruction.deep.evidence import explained
from divulge.reconstruction.deep.partial_rows import Segments, segments
from divulge.reconstruction.deep.searched_segment import SearchedSegment, split
from divulge.reconstruction.deep.subtract_known import known_part, together, weights
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import LAYERS, SEARCHED_LINES


class Pool:
    """The sweeps of a search through many layers.

    Attributes:
        sweeps: every segment that was searched, with its kinks.
        prefix: layers whose kinks' jumps need not be known.
        known: a part of the victim that is taken off before a search, or None.
        everywhere: whether it may be taken off on any line, or only where no unit before the last layer
            switches.
        usual: distance from the origin up to which points count as usual.
    """

    def __init__(self, probe: Probe, lines: Lines) -> None:
        self.probe = probe
        self.lines = lines
        self.tolerances = probe.tolerances
        self.sweeps: list[SearchedSegment] = []
        self.prefix = Prefix(probe.input_size)
        self.known: DeepModel | None = None
        self.everywhere = False
        self.usual = SEARCHED_LINES.usual * float(np.linalg.norm(lines.samples(LAYERS.samples), axis=1).max())

    def sweep(
        self, origins: Array, directions: Array, low: float | None = None, high: float | None = None
    ) -> None:
        """Search lines for all their kinks, from t = low to high or over all their length."""
        ends = self.lines.ends()
        low, high = ends[0] if low is None else low, ends[1] if high is None else high
        self.search(origins, directions, low, high, self.known if self.everywhere else None)

    def begin(self) -> None:
        """Search one line, that on which answers lie already where there is one."""
        if not len(self.lines.origins):
            self.lines.add_line()
        origin, direction = self.lines.origins[:1, :-1], self.lines.directions[:1, :-1]
        ends = self.lines.ends()
        if not isinstance(self.probe, GradientProbe):
            return self.sweep(origin, direction)
        found = on_first_line(self.probe, self.probe.shown_once(origin[0], direction[0], *ends), self.lines)
        self.sweeps += split(found, origin, direction, *np.array(ends)[:, None])

    def between(self, starts: Array, ends: Array) -> None:
        """Search the segments between points for all their kinks."""
        self.search(starts, ends - starts, 0.0, 1.0, self.known)

    def search(
        self, origins: Array, directions: Array, low: float, high: float, known: DeepModel | None
    ) -> None:
        """Search lines from t = low to high for all their kinks, after taking off a known part."""
        a, c = np.full(len(origins), low), np.full(len(origins), high)
        found = None if known is None else self.probe.kinks_beside(known, origins, directions, a, c)
        if known is not None and found is not None:
            empty = split(found.take(np.empty(0, np.intp)), origins, directions, a, c)
            found = together(found, known, empty, self.tolerances.missing)
        else:
            found = self.all_kinks(origins, directions, a, c)
        self.sweeps += split(found, origins, directions, a, c)

    def all_kinks(self, origins: Array, directions: Array, low: Array, high: Array) -> Kinks:
        """Find all kinks on lines; the jumps of units that are known well are not asked for."""
        prefix = self.prefix
        return self.probe.kinks(
            origins, directions, low, high, lambda points: explained(prefix, points, self.tolerances.loose)
        )

    def take_as_known(self, prefix: Prefix) -> None:
        """Take layers as known: the jumps of their kinks are not asked for any more."""
        self.prefix = prefix

    def take_off(self, model: DeepModel) -> None:
        """Take a copy that is right at most places off whatever is searched from now on."""
        self.known, self.everywhere = model, True

    def learn(self, prefix: Prefix, units: Candidates) -> None:
        """Take units as the last hidden layer's as far as their kinks agree about their output weights."""
        w, agree = weights(prefix, units, self.sweeps, self.tolerances.missing)
        self.known, self.everywhere = None, False
        if len(units) and agree.mean() > SEARCHED_LINES.agree and not self.probe.rounded:
            self.known, share = known_part(self.probe, prefix, units.take(agree), w[agree])
            self.everywhere = share > SEARCHED_LINES.agree

    def new_lines(self, count: int) -> tuple[Array, Array]:
        """Draw lines: origins and directions, shape (count, d)."""
        first = len(self.lines.origins)
        for _ in range(count):
            self.lines.add_line()
        origins, directions = self.lines.origins[first:, :-1], self.lines.directions[first:, :-1]
        return self.shifted(origins), self.shifted(directions)

    def shifted(self, points: Array) -> Array:
        """Add a constant to all coordinates of every other point: images are bright or dark all over."""
        if self.lines.domain:
            return points
        constants = self.lines.rng.standard_normal((len(points), 1))
        constants[::2] = 0.0
        return points + constants

    def unexplained(self, known: Prefix) -> tuple[Array, Array]:
        """Return all kinks (n, d) that no known unit explains, and their jumps."""
        points = np.concatenate([s.points(s.t) for s in self.sweeps])
        jumps = np.concatenate([s.jumps for s in self.sweeps])
        new = ~explained(known, points, self.tolerances.loose) & jumps.any(axis=1)
        return points[new], jumps[new]

    def solved(self, known: Prefix, prefix: Prefix, sweeps: list[SearchedSegment]) -> Segments:
        """Solve the jumps on these sweeps that no known unit explains."""
        points = np.concatenate([s.points(s.t) for s in sweeps])
        jumps = np.concatenate([s.jumps for s in sweeps])
        new = ~explained(known, points, self.tolerances.loose) & jumps.any(axis=1)
        found = segments(prefix, points[new], jumps[new])
        return found.take(found.determined & (found.residuals <= self.tolerances.alike))
