"""Filters that come back at a second level: units that are cut off above, as ReLU6 and Hardtanh are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.patches import box_of, gap, patch_of
from divulge.reconstruction.convolutional.walk import Kink

CUT_OFF = (
    "filters of layer 1 come back where their units are not 0, at one level each: units that are cut off "
    "above (ReLU6, Hardtanh) are not taken apart in convolutions"
)
TWINS = (
    "; two of these have the same filter, as units have that are cut off above (ReLU6, Hardtanh), which are "
    "not taken apart in convolutions"
)


def has_two_levels(
    layer: ConvLayer, kinks: Sequence[Kink], shape: tuple[int, int, int], alike: float
) -> bool:
    """Whether kinks show a channel of the first layer at one level, twice, that is not 0.

    A unit of the next layer may jump by one filter alone, where no other feature is on, but at any level.

    Args:
        layer: the first one.
        kinks: that known layers did not explain.
        shape: (C, H, W) of an input.
        alike: relative difference of what is the same.
    """
    seen: dict[int, list[tuple[float, float]]] = {}
    for kink in kinks:
        for channel, level, size in _levels(layer, kink, shape, alike):
            seen.setdefault(channel, []).append((level, size))
    for levels in seen.values():
        for (one, size), (other, other_size) in combinations(levels, 2):
            tolerance = alike * max(size, other_size, 1.0)
            if abs(one - other) <= tolerance and min(abs(one), abs(other)) > 2 * tolerance:
                return True
    return False


def has_twins(layer: ConvLayer, alike: float) -> bool:
    """Whether two channels have the same filter, up to a relative difference."""
    return any(gap(one, other) <= alike for one, other in combinations(layer.filters, 2))


def _levels(
    layer: ConvLayer, kink: Kink, shape: tuple[int, int, int], alike: float
) -> Iterator[tuple[int, float, float]]:
    """Channels whose filter a jump is, their level there, and the size of the window."""
    box = box_of(kink, shape)
    if box.size != layer.kernel:
        return
    patch, window = patch_of(kink.jump, box, shape), patch_of(kink.point, box, shape)
    for channel, weights in enumerate(layer.filters):
        if gap(weights, patch) <= alike:
            yield (
                channel,
                float((weights * window).sum() + layer.offsets[channel]),
                float(np.linalg.norm(window)),
            )
