"""Whether a jump that looks like a filter's is one: a filter's is there at other inputs too."""

from __future__ import annotations

import numpy as np

from divulge.reconstruction.convolutional.patches import Box, gap, patch_of
from divulge.reconstruction.convolutional.walk import Kink, Walk
from divulge.reconstruction.settings import CONV_FIRST


def shows_elsewhere(walk: Walk, kink: Kink, box: Box) -> bool:
    """Whether at most of some random inputs, moved to where a filter would be 0, the gradient jumps by it.

    A unit of the next layer jumps by one feature's filter, or by the same few features', where others are
    off: at other inputs others are on.

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
    away = walk.tolerances.missing * np.linalg.norm(points, axis=1, keepdims=True) * normal
    before, after = walk.ask(points - away), walk.ask(points + away)
    shown = 0
    for low, high in zip(before, after, strict=True):
        change = high.gradient - low.gradient
        size = max(np.abs(high.gradient).max(), np.abs(low.gradient).max())
        there = np.abs(change).max() > walk.tolerances.rounding * size
        shown += bool(there and gap(change, normal) <= walk.tolerances.alike)
    return shown >= CONV_FIRST.shown * len(points)
