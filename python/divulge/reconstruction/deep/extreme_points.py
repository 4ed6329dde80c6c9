"""Points far up some combination of features: there units are on, or off, that elsewhere never are.

A unit behind the known layers is on where r . features + b > 0. At random points r . features stays near
its usual size; upwards along its gradient it grows d^(1/2) times as fast as in a random direction.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.hyperplane_queries import unit_vectors
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import CLIMBING


def climbed(prefix: Prefix, points: Array, lines: Lines) -> Array:
    """Move each point up the gradient of a random combination of features, as far as the domain goes.

    Args:
        prefix: the known layers.
        points: where to start, shape (n, d).
        lines: the domain, and what draws.

    Returns:
        Shape (n, d).
    """
    rows = CLIMBING.hindering + lines.rng.standard_normal((len(points), prefix.width))
    length = np.linalg.norm(points, axis=1) * 10 ** lines.rng.uniform(
        CLIMBING.least, CLIMBING.most, size=len(points)
    )
    for _ in range(CLIMBING.steps):
        points = points + length[:, None] * unit_vectors(prefix.gradients(points, rows))
        if lines.domain is not None:
            points = np.clip(points, *lines.domain)
    return lines.unsaturated(points)
