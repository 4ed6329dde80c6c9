"""Max pooling behind the first layer: where it changes over, a jump shows one filter at two places."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.convolutional.geometry import Place
from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.patches import Box, gap, patch_of, single
from divulge.reconstruction.convolutional.walk import Kink, Walk
from divulge.reconstruction.settings import CONV_FIRST


class PooledPairs:
    """Pairs of places that jumps have shown, and filters that were seen in them alone.

    Attributes:
        pairs: channels and places, the channel being -1 where its filter was not known.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.pairs: list[tuple[Place, Place]] = []
        self._orphans: list[tuple[Array, Place]] = []  # filters whose offsets are not known
        self._hunts = 0

    @property
    def layer(self) -> ConvLayer:
        """What is known of the first layer."""
        return self.walk.known.layers[0]

    def forget(self) -> None:
        """Drop what was seen."""
        self.pairs, self._orphans = [], []

    def take(self, kink: Kink, box: Box) -> bool:
        """Whether a jump takes a filter off at one place and puts it on at another close by."""
        sizes = zip(box.size, self.layer.kernel, strict=True)
        if not all(0 <= size - kernel < CONV_FIRST.widest_pool for size, kernel in sizes):
            return False
        patch = patch_of(kink.jump, box, self.walk.known.shape)
        weights, (down, across) = single(patch, self.walk.tolerances.alike)
        if weights.shape[1:] != self.layer.kernel or (down, across) == (0, 0):
            return False
        first = box.top, box.left + max(0, -across)
        channel = self._channel_like(weights)
        pair = Place(channel, *first), Place(channel, first[0] + down, first[1] + across)
        self.pairs.append(pair)
        if channel < 0:
            self._orphans.append((weights, pair[0]))
        return True

    def _channel_like(self, weights: Array) -> int:
        """The first channel whose filter this is, or -1."""
        gaps = [gap(weights, known) for known in self.layer.filters]
        return next((i for i, found in enumerate(gaps) if found <= self.walk.tolerances.alike), -1)

    def aim_at_orphan(self) -> bool:
        """Walk to where a filter that was seen in pairs alone may switch off, one way or the other.

        Max pooling keeps a channel on, at one place or another, where all of a window is to go below 0.
        """
        self._orphans = [pair for pair in self._orphans if self._channel_like(pair[0]) < 0]
        if not self._orphans or self._hunts >= CONV_FIRST.hunts:
            return False
        weights, place = self._orphans[self._hunts // 2 % len(self._orphans)]
        rows, columns = self.layer.kernel
        image, side = np.zeros(self.walk.known.shape), self.layer.pool.size if self.layer.pool else 1
        for r in range(1 - side, side):
            for c in range(1 - side, side):
                top, left = max(place.row + r, 0), max(place.column + c, 0)
                part = image[:, top : top + rows, left : left + columns]
                part += weights[:, : part.shape[1], : part.shape[2]]
        direction = (-1) ** self._hunts * image.ravel() / np.linalg.norm(image)
        self.walk.aim(lambda _: direction)
        self._hunts += 1
        return True
