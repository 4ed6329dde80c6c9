"""Lines that were searched for every kink: where a unit's hyperplane must show, and where it did."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.probe import Kinks
from divulge.reconstruction.network.known_layers import Prefix


@dataclass
class SearchedSegment:
    """One segment of a line and all the kinks on it.

    Attributes:
        origin, direction: x = origin + t direction, shape (d,) each.
        low, high: ends of the segment.
        t: the kinks' places, shape (m,), rising.
        jumps: shape (m, d).
    """

    origin: Array
    direction: Array
    low: float
    high: float
    t: Array
    jumps: Array

    def points(self, t: Array) -> Array:
        """Return the points at t, shape (n, d)."""
        return np.asarray(self.origin + t[:, None] * self.direction)


def split(kinks: Kinks, origins: Array, directions: Array, low: Array, high: Array) -> list[SearchedSegment]:
    """Sort the kinks of several lines by line."""
    ends = np.searchsorted(kinks.line, np.arange(len(origins) + 1))
    return [
        SearchedSegment(
            origins[i], directions[i], float(low[i]), float(high[i]), kinks.t[a:b], kinks.jumps[a:b]
        )
        for i, (a, b) in enumerate(pairwise(ends))
    ]


def zero_crossings(t: Array, levels: Array) -> tuple[Array, Index]:
    """Return where functions that are linear between the nodes t vanish, and which function does.

    Args:
        t: nodes, rising, shape (n,).
        levels: their values at the nodes, shape (n, c).
    """
    before, after = levels[:-1], levels[1:]
    node, function = np.nonzero((before > 0) != (after > 0))
    a, b = before[node, function], after[node, function]
    return t[node] + (t[node + 1] - t[node]) * a / (a - b), function


def breakpoints(prefix: Prefix, sweep: SearchedSegment) -> Array:
    """Return the places where the prefix bends along the sweep, with both ends, rising."""
    nodes = np.array([sweep.low, sweep.high])
    for depth, layer in enumerate(prefix.layers):
        levels = prefix.levels(sweep.points(nodes))[depth][:, : layer.units]
        crossings, _ = zero_crossings(nodes, levels)
        nodes = np.unique(np.concatenate([nodes, crossings]))
    return nodes


def crossings(prefix: Prefix, rows: Array, offsets: Array, sweep: SearchedSegment) -> tuple[Array, Index]:
    """Return where pre-activations rows . features + offsets vanish along the sweep, and whose."""
    nodes = breakpoints(prefix, sweep)
    levels = prefix.features(sweep.points(nodes)) @ rows.T + offsets
    return zero_crossings(nodes, levels)
