"""Units that are cut off above, as those of ReLU6 are: max(z, 0) - max(z - e, 0), e being where they end.

Such a unit bends twice, by opposite jumps: its filter shows at 0 and at one other level. Far out all are
constant, and gradients vanish.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from divulge.arrays import Array
from divulge.reconstruction.convolutional.inputs import grainy
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.convolutional.uphill import uphill
from divulge.reconstruction.convolutional.walk import Walk
from divulge.reconstruction.settings import CONV_ENDS


def is_bounded(walk: Walk) -> bool:
    """Whether gradients vanish at images so bright that each known filter is far up or down all over them.

    Behind units that go up without end they do where all are off: at a few such images that is no chance.
    These answers are not recorded. In a box, and of values alone, nothing is asked, and nothing is said.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    if walk.lines.domain is not None:
        return False
    for point in _bright(walk):
        gradients = walk.transcript.asked.query(walk.transcript.asked.representable(point[None]))[1]
        if gradients is None or gradients.any():
            return False
    return True


def way_up(walk: Walk, depth: int, channel: int, up: float) -> Array:
    """Points (2, d): from one where some unit of a channel is 0 to one where it is as far up as can be.

    With `up` -1.0 as far down: either side of a channel may be the one on which it is cut off. Steps uphill,
    from the best of images of a size.
    """
    known, reach = walk.known, CONV_ENDS.reach if walk.lines.domain is None else 1.0
    points = grainy(walk.lines, known.shape, CONV_ENDS.drawn) * reach
    with torch.no_grad():
        z = known.before(known.images(points))[depth][:, channel].flatten(1)
    best, place = np.unravel_index(int((up * z).argmax()), z.shape)
    unit = channel, int(place)
    top = uphill(walk, points[best], lambda x: up * _unit(known, depth, unit, x))
    shares = np.linspace(0.0, 1.0, CONV_ENDS.drawn)
    with torch.no_grad():
        way = up * _unit(known, depth, unit, known.images(shares[:, None] * top))
    below = np.flatnonzero(way.numpy() < 0)
    start = shares[below[-1]] if len(below) else 0.0
    return np.stack([start * top, top])


def _unit(known: Prefix, depth: int, unit: tuple[int, int], x: Tensor) -> Tensor:
    """Z of a unit, its channel and its place in the map, for inputs (n, C, H, W)."""
    return known.before(x)[depth][:, unit[0]].flatten(1)[:, unit[1]]


def _bright(walk: Walk) -> Array:
    """Images (n, d) of one colour each, those at which the least of known filters is furthest from 0."""
    channels, height, width = walk.known.shape
    # its own: where nothing is cut off walks stay as they are
    rng = np.random.default_rng(walk.known.size)
    colours = rng.standard_normal((CONV_ENDS.drawn, channels))
    colours *= np.sqrt(channels) / np.linalg.norm(colours, axis=1, keepdims=True)
    levels = np.abs(colours @ walk.known.layers[0].filters.sum(axis=(2, 3)).T).min(axis=1)
    best = colours[np.argsort(-levels)[: CONV_ENDS.bright]]
    signs = np.where(np.arange(len(best)) % 2, -1.0, 1.0)[:, None]  # of one channel all are alike but for it
    flat = (signs * np.sign(best[:, :1]) * best).repeat(height * width, axis=1)
    noise = rng.standard_normal(flat.shape)
    return np.asarray(CONV_ENDS.brightness * (flat + CONV_ENDS.grain * noise))


class Levels:
    """Levels, other than 0, at which jumps are those of channels: one that is seen twice is an end."""

    def __init__(self) -> None:
        self._seen: list[tuple[Array, float]] = []

    def is_end(self, row: Array, level: float, rounding: float) -> bool:
        """Whether a level of a channel, known by its weights, was seen before; it is noted."""
        again = any(
            known.shape == row.shape and np.array_equal(known, row) and abs(level - other) <= rounding
            for known, other in self._seen
        )
        self._seen.append((row.copy(), level))
        return again
