"""Inputs where as many hyperplanes of the first layer meet as there are inputs.

Between these hyperplanes a unit of the second layer is affine in the input. Wherever it is on in a bounded
region and off around it, or the other way, its level is greatest, or least, at one of these vertices: a unit
that was missed, as it is on or off nearly everywhere, shows there however small the region is.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.network.known_layers import Dense
from divulge.reconstruction.settings import VERTICES


def at_vertices(first: Dense, lines: Lines, count: int) -> Array:
    """Return points (n, d) right beside vertices, all or `count` of them, half of these the nearest.

    Args:
        first: the first layer.
        lines: draws which, and on which side.
        count: how many at most.
    """
    size = lines.input_size
    chosen = tuples(first.units, size, count, lines.rng)
    rows = first.rows[chosen]
    sharp = np.abs(np.linalg.det(rows / np.linalg.norm(rows, axis=2, keepdims=True))) > VERTICES.dependent
    points = np.linalg.solve(rows[sharp], -first.offsets[chosen[sharp]][:, :, None])[:, :, 0]
    order = np.argsort(np.linalg.norm(points, axis=1), kind="stable")
    near, far = order[: count // 2], lines.rng.permutation(order[count // 2 :])
    points = points[np.concatenate([near, far[: count - len(near)]])]
    usual = 1.0 + np.linalg.norm(points, axis=1, keepdims=True) / np.sqrt(size)
    return lines.unsaturated(points + VERTICES.beside * usual * lines.rng.standard_normal(points.shape))


def tuples(units: int, size: int, count: int, rng: np.random.Generator) -> Index:
    """Return sets of so many units, shape (n, size): all there are, or random ones where these are many."""
    if units < size:
        return np.empty((0, size), np.intp)
    if comb(units, size) <= VERTICES.most:
        return np.array(list(combinations(range(units), size)), np.intp)
    order = rng.uniform(size=(VERTICES.drawn * count, units)).argsort(axis=1)
    return np.sort(order[:, :size], axis=1)
