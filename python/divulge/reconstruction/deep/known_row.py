"""The unit of a row that is known before any of its kinks: where it switches, if it does.

A row that later layers read, and that no kink has shown whole, tells how the gradient jumps wherever its unit
switches: by a multiple of r . J(x), however few features are on. Its offset is then -r . p(x), the same at
every such kink.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.hyperplane_queries import unit_vectors
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import CELLS


def switching(pool: Pool, prefix: Prefix, row: Array) -> Candidates | None:
    """Return the unit of a row with the offset that two kinks met so far agree about, or None.

    Args:
        pool: what was searched.
        prefix: the layers before.
        row: of the unit, shape (p,).
    """
    points, jumps = pool.unexplained(prefix)
    features = prefix.features(points)
    several = (features > 0).sum(axis=1) > 1  # one feature alone shows every unit alike
    points, jumps, features = points[several], jumps[several], features[several]
    expected = unit_vectors(prefix.gradients(points, np.broadcast_to(row, features.shape)))
    along = np.einsum("nd,nd->n", unit_vectors(jumps), expected)
    own = 1.0 - np.abs(along) <= pool.tolerances.alike**2 / 2
    points, features = points[own], features[own]
    size = np.linalg.norm(features, axis=1)
    order = np.argsort(size, kind="stable")
    points, offsets, size = points[order], -features[order] @ row, size[order]
    for n in range(len(offsets) - 1):  # the nearest, as rounding grows with the distance
        same = np.abs(offsets[n + 1 :] - offsets[n]) <= pool.tolerances.alike * size[n + 1 :]
        apart = np.linalg.norm(points[n + 1 :] - points[n], axis=1) > CELLS.apart * size[n]
        if (same & apart).any():
            scale, count = np.linalg.norm(row), np.array([2], np.intp)
            known = np.ones((1, len(row)), bool)
            return Candidates(row[None] / scale, known, offsets[n : n + 1] / scale, count, points[n : n + 1])
    return None
