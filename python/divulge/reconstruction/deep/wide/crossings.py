"""What answers along a segment tell where it crosses the hyperplanes of known units.

With every unit's state known, the gradient is that of W . p, p the features and

    W = sum over active k of w_k R_k + V.

Where the segment crosses the hyperplane of a known unit, W stays and the gradient jumps by (across . W) times
that of the unit's level: one equation about W, in the column of one feature where that is of the last layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.deep.searched_segment import SearchedSegment, breakpoints
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.settings import CROSSINGS


@dataclass(frozen=True)
class Crossings:
    """Crossings of one segment that answers tell.

    Attributes:
        places: t in [0, 1], rising, shape (m,).
        terms: what W is multiplied with, shape (m, h).
        shares: the products, shape (m,).
    """

    places: Array
    terms: Array
    shares: Array


def crossings_on(known: Known, start: Array, end: Array, points: Array, pieces: Array) -> Crossings:
    """Return what answers on a segment tell at hyperplanes of known units.

    Args:
        known: the layers, turned the right way.
        start: of the segment, shape (d,).
        end: of it, shape (d,).
        points: on the segment, shape (n, d).
        pieces: around them, shape (n, d + 1).
    """
    way = end - start
    t = (points - start) @ way / (way @ way)
    order = np.argsort(t, kind="stable")
    t, gradients = t[order], pieces[order, :-1]
    nodes = breakpoints(
        known.prefix, SearchedSegment(start, way, 0.0, 1.0, np.empty(0), np.empty((0, len(way))))
    )
    middles = start + ((nodes[1:] + nodes[:-1]) / 2)[:, None] * way
    on = [layer.on(z) for layer, z in zip(known.prefix.layers, known.prefix.levels(middles), strict=True)]
    after = np.searchsorted(t, nodes[1:-1])
    places, terms, shares = [], [], []
    for number, (node, right) in enumerate(zip(nodes[1:-1], after, strict=True)):
        flips = [
            (depth, unit)
            for depth, side in enumerate(on)
            for unit in np.flatnonzero(side[number] != side[number + 1])
        ]
        beside = 0 < right < len(t) and t[right - 1] > nodes[number] and t[right] < nodes[number + 2]
        if len(flips) != 1 or not beside:
            continue
        layer, unit = flips[0]
        cell = known.cell(middles[number])
        slope = cell.slopes[layer][unit]
        jump = gradients[right] - gradients[right - 1]
        sign = -1.0 if on[layer][number, unit] else 1.0
        share = float(jump @ slope) / float(slope @ slope)
        size = np.linalg.norm(gradients[right]) + np.linalg.norm(gradients[right - 1])
        if np.linalg.norm(jump - share * slope) > CROSSINGS.crooked * size:
            continue  # another kink is next to it
        places.append(node)
        terms.append(cell.across(layer, int(unit)))
        shares.append(sign * share)
    return Crossings(np.array(places), np.array(terms).reshape(-1, known.width), np.array(shares))
