"""Kinks of units behind known layers: lines are cut where known units switch, the pieces are searched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.searched_segment import SearchedSegment, breakpoints
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import WIDE_LINES


@dataclass(frozen=True)
class LaterKinks:
    """Kinks that the known layers do not explain.

    Attributes:
        points: shape (m, d).
        jumps: gradient after the kink minus gradient before it, shape (m, d).
        ways: directions of the lines, shape (m, d).
    """

    points: Array
    jumps: Array
    ways: Array

    def __len__(self) -> int:
        return len(self.points)

    def take(self, which: Index) -> LaterKinks:
        """Return some of them."""
        return LaterKinks(self.points[which], self.jumps[which], self.ways[which])


def kinks_behind(probe: Probe, prefix: Prefix, starts: Array, ends: Array) -> LaterKinks:
    """Search segments (n, d) for the kinks of units behind known layers."""
    origins, ways, low, high = [], [], [], []
    for start, end in zip(starts, ends, strict=True):
        segment = SearchedSegment(start, end - start, 0.0, 1.0, np.empty(0), np.empty((0, len(start))))
        nodes = breakpoints(prefix, segment)
        gaps = np.diff(nodes)
        wide = gaps > WIDE_LINES.least
        low.append((nodes[:-1] + WIDE_LINES.margin * gaps)[wide])
        high.append((nodes[1:] - WIDE_LINES.margin * gaps)[wide])
        origins.append(np.repeat(start[None], wide.sum(), axis=0))
        ways.append(np.repeat((end - start)[None], wide.sum(), axis=0))
    direction = np.concatenate(ways)
    found = probe.kinks(np.concatenate(origins), direction, np.concatenate(low), np.concatenate(high))
    shown = np.flatnonzero(found.jumps.any(axis=1))
    return LaterKinks(found.points[shown], found.jumps[shown], direction[found.line[shown]])
