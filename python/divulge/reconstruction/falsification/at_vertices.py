"""Inputs right beside the kinks that a copy has between vertices of its first layer.

Between the first layer's hyperplanes a unit of the second is affine in the input. Where it is on in one part
of such a cell and off in the other, while the copy's is not, or the other way, the two differ at a vertex of
the cell, or far out along an edge that has no end. Where the hyperplanes of both go through the cell, but not
as one, they meet some edge at two places: right beside the copy's the two differ. So what is wrong in the
second layer shows however small its region is, if all vertices, ends and edges are asked.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.vertices import beside, edges
from divulge.reconstruction.falsification.beside import beside_kinks
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.settings import FALSIFYING


def beside_on_edges(model: DeepModel, lines: Lines, count: int) -> Array:
    """Return points (n, d) on both sides of the kinks that a copy predicts along edges, `count` at most.

    Args:
        model: the copy, of two hidden layers or more.
        lines: draws which, and on which side.
        count: how many at most.
    """
    whole, least = model.whole(), FALSIFYING.beside[0]
    origins, ways, basis = edges(whole.layers[0], lines, count)
    found = [np.empty((0, lines.input_size))]
    for origin, way in zip(beside(origins, basis, lines), ways @ basis, strict=True):
        found.append(beside_kinks(whole, origin, way, lines, (least, least)))
        if sum(map(len, found)) >= count:
            break
    points = np.concatenate(found)
    return points[lines.rng.permutation(len(points))[:count]]
