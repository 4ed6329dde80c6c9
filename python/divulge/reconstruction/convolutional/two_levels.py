"""Filters that come back at a second level: units that are cut off above, as ReLU6 and Hardtanh are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch

from divulge.arrays import Array, Mask
from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.patches import box_of, gap, patch_of
from divulge.reconstruction.convolutional.walk import Kink

CUT_OFF = (
    "filters of layer 1 come back where their units are not 0, at one level each, whatever is on beside "
    "them: units that bend twice, as those cut off above do (ReLU6, Hardtanh), are not taken apart in "
    "convolutions"
)
TWINS = (
    "; two of these have the same filter: either they do in the network, or these are units that are cut off "
    "above (ReLU6, Hardtanh), which are not taken apart in convolutions"
)


class Level(NamedTuple):
    """Where a jump is a channel's filter: its level there, to how much, which units beside are above 0.

    Beside are the other channels at its place, and its own units one row or column on.
    """

    channel: int
    level: float
    rounding: float
    beside: Mask


def has_two_levels(
    layer: ConvLayer, kinks: Sequence[Kink], shape: tuple[int, int, int], alike: float
) -> bool:
    """Whether kinks show a channel of the first layer at one level that is not 0, whatever is on beside it.

    A unit of the next layer jumps by one filter alone where no other feature of its window is on. So it does
    at one level, too, but units beside are off then. Behind max pooling it may see none of these, nor may one
    of 1x1 behind a single channel: of such nothing is said.

    Args:
        layer: the first one.
        kinks: that known layers did not explain.
        shape: (C, H, W) of an input.
        alike: relative difference of what is the same.
    """
    if len(layer) < 2 or (layer.pool is not None and layer.pool.kind == "max"):
        return False
    seen: dict[int, list[Level]] = {}
    for kink in kinks:
        for level in _levels(layer, kink, shape, alike):
            seen.setdefault(level.channel, []).append(level)
    return any(_whatever_is_beside(levels, one) for levels in seen.values() for one in levels)


def has_twins(layer: ConvLayer, alike: float) -> bool:
    """Whether two channels have the same filter, up to a relative difference."""
    return any(gap(one, other) <= alike for one, other in combinations(layer.filters, 2))


def _whatever_is_beside(levels: Sequence[Level], one: Level) -> bool:
    """Whether at the level of one each unit beside is above 0 at some kinks and below it at others."""
    beside = np.stack(
        [each.beside for each in levels if abs(each.level - one.level) <= max(each.rounding, one.rounding)]
    )
    return bool((beside.any(axis=0) & ~beside.all(axis=0)).all())


def _levels(layer: ConvLayer, kink: Kink, shape: tuple[int, int, int], alike: float) -> Iterator[Level]:
    """Channels whose filter a jump is, away from edges, none of that filter being 0 there."""
    box = box_of(kink, shape)
    at = [(c + p) / s for c, p, s in zip(box.corner, layer.padding, layer.stride, strict=True)]
    if box.size != layer.kernel or any(place % 1 for place in at):
        return
    patch, window = patch_of(kink.jump, box, shape), patch_of(kink.point, box, shape)
    same = [i for i, weights in enumerate(layer.filters) if gap(weights, patch) <= alike]
    z = _before(layer, kink.point, shape)
    row, column = int(at[0]), int(at[1])
    if not (0 < row < z.shape[1] - 1 and 0 < column < z.shape[2] - 1):
        return
    rounding = alike * max(float(np.linalg.norm(window)), 1.0)
    if any(abs(z[i, row, column]) <= 2 * rounding for i in same):
        return
    for channel in same:
        others = np.delete(z[:, row, column], same)
        own = z[channel, [row - 1, row + 1, row, row], [column, column, column - 1, column + 1]]
        level = float(z[channel, row, column])
        yield Level(channel, level, rounding, np.concatenate([others, own]) > 0)


def _before(layer: ConvLayer, point: Array, shape: tuple[int, int, int]) -> Array:
    """What the units of the first layer are given at a point (d,), shape (c, H', W')."""
    with torch.no_grad():
        return np.asarray(layer.before(torch.from_numpy(point).reshape(1, *shape))[0].numpy())
