"""The channels of a layer that is looked for, as far as they are known, among the known layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from divulge.arrays import Index
from divulge.reconstruction.convolutional.geometry import Place, clipped, grid_of
from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.linearised import Moving, moving
from divulge.reconstruction.convolutional.patches import gap
from divulge.reconstruction.convolutional.rows import Row
from divulge.reconstruction.convolutional.sides import Frame
from divulge.reconstruction.convolutional.walk import Kink, Walk
from divulge.reconstruction.convolutional.window import Fragment, Origin, Shown, pixels, shown
from divulge.reconstruction.settings import CONV_ENDS, CONV_ROWS


class Channels:
    """Channels put together from pieces, and where their windows begin.

    Attributes:
        rows: the channels, in the layer's order.
        deeper: kinks that are none of this layer.
        places: where windows of channels were seen to begin.
    """

    def __init__(self, walk: Walk, frame: Frame) -> None:
        self.walk = walk
        self.frame = frame
        self.depth = len(walk.known.layers)
        self.rows: list[Row] = []
        self.deeper: list[Kink] = []
        self.places: list[Place] = []

    @property
    def layer(self) -> ConvLayer | None:
        """What is known of it."""
        layers = self.walk.known.layers
        return layers[self.depth] if len(layers) > self.depth else None

    @property
    def entries(self) -> int:
        """How many entries of channels are known, and where how many are cut off above."""
        return sum(int(row.known.sum()) + int(np.isfinite(row.end)) for row in self.rows)

    def features(self, maps: Tensor) -> Tensor:
        """The features in which it is looked for."""
        return self.walk.known.features(maps, self.depth)

    def _joins(self, found: Fragment, origin: Origin) -> bool:
        """Add a fragment to the channel it is of, if it is of a known one."""
        for row in self.rows:
            if row.shares(found, self.walk.tolerances.alike):
                self._see(origin)
                row.alone = None
                if row.join(found):
                    self._settle(row)
                return True
        return False

    def _settle(self, row: Row) -> None:
        """Put what is known of a channel into the known layers; one that was begun twice is one."""
        twins = [
            other for other in self.rows if other is not row and row.shares(other, self.walk.tolerances.alike)
        ]
        for twin in twins:
            row.join(twin)
            row.alone = None
        self.rows = [other for other in self.rows if not any(other is twin for twin in twins)]
        self._write()
        if row.whole:
            again, self.deeper = self.deeper, []
            self.deeper = [kink for kink in again if not self._known_elsewhere(kink)]

    def _write(self) -> None:
        """Put all channels into the known layers."""
        if not self.rows:
            del self.walk.known.layers[self.depth :]
            return
        shape = (self.walk.known.map_shape(self.depth)[0], *self.frame.kernel)
        fresh = ConvLayer(np.zeros((0, *shape)), np.zeros(0))
        for row in self.rows:
            fresh.add(row.weights[:-1].reshape(shape), float(row.weights[-1]), row.end)
        if self.layer is None:
            self.walk.known.layers.append(fresh)
        else:
            self.walk.known.layers[self.depth] = replace(
                self.layer, filters=fresh.filters, offsets=fresh.offsets, ends=fresh.ends
            )

    def drop(self, kept: Index) -> None:
        """Keep these channels alone."""
        self.rows = [self.rows[i] for i in kept]
        self._write()

    def _known_elsewhere(self, kink: Kink) -> bool:
        """Whether a known channel is 0 at a kink, if it may begin anywhere, also where padding is."""
        layer = self.layer
        if layer is None:
            return False
        padding = tuple(0 if self.frame.whole else size - 1 for size in layer.kernel)
        wide = ConvLayer(layer.filters, layer.offsets, padding=(padding[0], padding[1]))
        with torch.no_grad():
            z = wide.before(self.features(self.walk.known.images(kink.point[None])))[0].numpy()
        offsets_known = np.array([row.known[-1] for row in self.rows])
        z[~offsets_known] = np.inf  # such a channel is 0 where its features are off
        size = float(np.abs(z[offsets_known]).max(initial=0.0))
        from_ends = layer.from_ends(torch.from_numpy(z[None]))[0].numpy()
        near = np.minimum(np.abs(z), from_ends) <= self.walk.tolerances.missing * max(size, 1.0)
        now = moving(self.walk.known, kink.point, self.depth) if near.any() else None
        for row, *corner in zip(*np.nonzero(near), strict=True):
            origin = Origin(int(corner[0]) - padding[0], int(corner[1]) - padding[1])
            if now is not None and self._turns(self.rows[row], shown(now, kink, origin, self.frame.kernel)):
                self._see(origin)
                return True
        return False

    def _ends(self, kink: Kink, now: Moving, origins: Sequence[Origin]) -> bool:
        """Whether a kink is where a known channel is cut off above; where, is known then.

        Where few features are not constant another channel may jump the same, and it says nothing.
        """
        rows = [row for row in self.rows if row.whole and not np.isfinite(row.end)]
        for origin in origins if self.walk.bounded else ():
            view = shown(now, kink, origin, self.frame.kernel)
            moves = np.any(view.rows != 0, axis=1)
            for row in rows:
                if (row.weights[:-1][moves] != 0).sum() >= CONV_ENDS.features and self._turns(row, view):
                    row.end = float(row.weights[:-1] @ view.values + row.weights[-1])
                    self._write()
                    return True
        return False

    def _turns(self, row: Row, view: Shown) -> bool:
        """Whether a kink's jump is the one of a channel at a window: among many one is near 0 by chance."""
        at = pixels(view.rows, view.kink)
        jump = row.weights[:-1] @ view.rows[:, at]
        return bool(np.any(jump) and gap(jump, view.kink.jump[at]) <= self.walk.tolerances.alike)

    def _see(self, origin: Origin) -> None:
        """Note where a window begins."""
        self.places.append(Place(0, *origin))
        layer = self.layer
        if layer is None or self.frame.whole:
            return
        padding = self._clipped()
        layer.padding = (max(layer.padding[0], padding[0]), max(layer.padding[1], padding[1]))
        if len({place[1:] for place in self.places}) >= CONV_ROWS.places:
            self.settle_grid()

    def settle_grid(self) -> None:
        """Take stride and padding from the places where channels were seen to switch.

        Both anew: a stride read off too few places asks for padding that is none.
        """
        layer = self.layer
        if layer is not None and not self.frame.whole:
            layer.stride, layer.padding = grid_of(self.places, self._clipped())

    def _clipped(self) -> tuple[int, int]:
        """The padding without which windows that were seen do not fit."""
        return clipped(self.places, self.frame.kernel, self.walk.known.map_shape(self.depth)[1:])
