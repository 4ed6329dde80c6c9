"""Whether a jump that looks like a filter's is one: a filter's is there at other inputs too."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.convolutional.patches import Box, gap, patch_of
from divulge.reconstruction.convolutional.walk import Kink, Walk, off_span
from divulge.reconstruction.settings import CONV_FIRST


def is_combined(filters: Array, channel: int, tolerance: float) -> bool:
    """Whether one of filters (c, C, kh, kw) is a sum of others, as jumps behind features at one place are."""
    rows = filters.reshape(len(filters), -1)
    left = off_span(np.delete(rows, channel, axis=0), rows[channel])
    return bool(np.linalg.norm(left) <= tolerance * np.linalg.norm(rows[channel]))


def shows_elsewhere(walk: Walk, kink: Kink, box: Box) -> bool:
    """Whether at a share of some random inputs, moved to where a filter would be 0, the gradient jumps by it.

    A unit of the next layer jumps by one feature's filter, or by the same few features', where others are
    off: at other inputs others are on. A filter does not show where all units behind it are off. Inputs that
    were moved out of a box tell nothing; where no others are left, the filter counts as one.

    Args:
        walk: whom to ask.
        kink: that shows the filter.
        box: where.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    normal = np.zeros(walk.known.shape)
    patch_of(normal, box, walk.known.shape)[...] = patch_of(kink.jump, box, walk.known.shape)
    normal = normal.ravel() / np.linalg.norm(normal)
    points = walk.samples(CONV_FIRST.elsewhere)
    points = points - (points - kink.point) @ normal[:, None] * normal
    if walk.lines.domain is not None:
        lower, upper = walk.lines.domain
        points = points[((points >= lower) & (points <= upper)).all(axis=1)]
    if not len(points):
        return True
    away = walk.tolerances.missing * np.linalg.norm(points, axis=1, keepdims=True) * normal
    before, after = walk.ask(points - away), walk.ask(points + away)
    shown = 0
    for low, high in zip(before, after, strict=True):
        change = high.gradient - low.gradient
        size = max(np.abs(high.gradient).max(), np.abs(low.gradient).max())
        there = np.abs(change).max() > walk.tolerances.rounding * size
        shown += bool(there and gap(change, normal) <= walk.tolerances.alike)
    return shown >= CONV_FIRST.shown * len(points)
