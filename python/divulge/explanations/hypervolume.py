"""The volume that a front of objectives dominates."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.explanations.archive import undominated


def hypervolume(objectives: Array, reference: Array) -> float:
    """Return the exact volume between a front (n, m) and a reference (m,), both to be small.

    The first m - 1 objectives make a grid; in each cell the least last objective of all candidates below it,
    a running minimum along every axis, says how high the dominated part is.

    Raises:
        ValueError: the shapes do not fit, or there are fewer than two objectives.
    """
    if objectives.ndim != 2 or reference.shape != objectives.shape[1:] or len(reference) < 2:
        raise ValueError(f"expected objectives (n, m) and (m,), got {objectives.shape}, {reference.shape}")
    inside = objectives[(objectives < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    front = inside[undominated(inside)]
    most = int(np.argmax([len(np.unique(part)) for part in front.T]))
    front, reference = (np.roll(part, len(reference) - 1 - most, axis=-1) for part in (front, reference))
    ticks, places = zip(*(np.unique(part, return_inverse=True) for part in front.T[:-1]), strict=True)
    height = np.full([len(part) for part in ticks], reference[-1])
    np.minimum.at(height, tuple(places), front[:, -1])
    cells = reference[-1] - height
    for axis, part in enumerate(ticks):
        cells = np.maximum.accumulate(cells, axis=axis)
        widths = np.diff(np.append(part, reference[axis]))
        cells = cells * widths.reshape([-1 if i == axis else 1 for i in range(cells.ndim)])
    return float(cells.sum())
