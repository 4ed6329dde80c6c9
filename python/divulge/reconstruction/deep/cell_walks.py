"""Lines walked from cell to cell of the known layers: two answers a cell, more where they differ.

Within a cell what is left of the network switches only at units that are sought. A unit of the next layer
switches there once at most, so that two equal answers near both ends of a cell say that none does.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.searched_segment import SearchedSegment
from divulge.reconstruction.settings import CELLS, TINY


class Walks:
    """Some lines, each cut into cells.

    Args:
        probe: whom to ask.
        origins, directions: x = origin + t direction, shape (n, d) each.
        nodes: of each line, where its cells begin and end, rising.
    """

    def __init__(self, probe: Probe, origins: Array, directions: Array, nodes: list[Array]) -> None:
        self.probe = probe
        self.origins = origins
        self.directions = directions
        self.nodes = nodes
        self.found: list[tuple[int, float, Array]] = []  # line, t, jump

    def searched(self) -> list[SearchedSegment]:
        """Return every line with all its kinks.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        lines = np.repeat(np.arange(len(self.nodes)), [len(nodes) - 1 for nodes in self.nodes])
        starts: Array = np.concatenate([nodes[:-1] for nodes in self.nodes])
        ends: Array = np.concatenate([nodes[1:] for nodes in self.nodes])
        margin = (1 - CELLS.within) * (ends - starts)
        low, high = starts + margin, ends - margin
        before, after = np.split(self.ask(np.tile(lines, 2), np.append(low, high)), 2)
        for one, other in pairwise(range(len(lines))):
            if lines[one] == lines[other]:
                jump = before[other] - after[one]
                self.found.append((int(lines[one]), float(ends[one]), jump[:-1]))
        self.between(lines, low, high, before, after)
        return [self.segment(line) for line in range(len(self.nodes))]

    def ask(self, line: Index, t: Array) -> Array:
        """Return pieces at t of lines."""
        return self.probe.pieces(self.origins[line] + t[:, None] * self.directions[line])

    def between(self, line: Index, low: Array, high: Array, before: Array, after: Array) -> None:
        """Cut intervals at the places where the tangents of both ends cross, until each kink stands alone."""
        for _ in range(CELLS.cuts):
            left_open = np.flatnonzero(~self.same(line, before, after, high))
            line, low, high = line[left_open], low[left_open], high[left_open]
            before, after = before[left_open], after[left_open]
            if not len(line):
                return
            t, step = self.meeting(line, low, high, before, after)
            left, right = np.split(self.ask(np.tile(line, 2), np.append(t - step, t + step)), 2)
            alone = self.same(line, before, left, t) & self.same(line, right, after, t)
            for n in np.flatnonzero(alone):
                self.found.append((int(line[n]), float(t[n]), (after[n] - before[n])[:-1]))
            line = np.tile(line[~alone], 2)
            low, high = (
                np.append(low[~alone], (t + step)[~alone]),
                np.append((t - step)[~alone], high[~alone]),
            )
            before = np.concatenate([before[~alone], right[~alone]])
            after = np.concatenate([left[~alone], after[~alone]])

    def meeting(
        self, line: Index, low: Array, high: Array, before: Array, after: Array
    ) -> tuple[Array, Array]:
        """Return where tangents cross, the middle where that is not within, and how far from it to ask."""
        change = after - before
        level = np.einsum("nd,nd->n", change[:, :-1], self.origins[line]) + change[:, -1]
        growth = np.einsum("nd,nd->n", change[:, :-1], self.directions[line])
        t = np.divide(-level, growth, out=np.full(len(line), np.inf), where=growth != 0)
        step = np.minimum(CELLS.beside * (1.0 + np.abs(low) + np.abs(high)), CELLS.part * (high - low))
        return np.where((t > low + step) & (t < high - step), t, (low + high) / 2), step

    def same(self, line: Index, one: Array, other: Array, t: Array) -> Mask:
        """Return which pairs of pieces (n, d + 1) are one, seen from t."""
        change, tolerance = one - other, self.probe.tolerances.same
        size = np.maximum(np.linalg.norm(one[:, :-1], axis=1), np.linalg.norm(other[:, :-1], axis=1))
        points = self.origins[line] + t[:, None] * self.directions[line]
        level = np.abs(np.einsum("nd,nd->n", change[:, :-1], points) + change[:, -1])
        reach = size * np.linalg.norm(points, axis=1) + np.abs(one[:, -1])
        flat = np.linalg.norm(change[:, :-1], axis=1) <= tolerance * np.maximum(size, TINY)
        return np.asarray(flat & (level <= tolerance * np.maximum(reach, TINY)))

    def segment(self, number: int) -> SearchedSegment:
        """Return one line with its kinks."""
        own = sorted((t, n) for n, (line, t, _) in enumerate(self.found) if line == number)
        jumps = [self.found[n][2] for _, n in own]
        ends = self.nodes[number]
        return SearchedSegment(
            self.origins[number],
            self.directions[number],
            float(ends[0]),
            float(ends[-1]),
            np.array([t for t, _ in own]),
            np.array(jumps).reshape(len(own), self.origins.shape[1]),
        )
