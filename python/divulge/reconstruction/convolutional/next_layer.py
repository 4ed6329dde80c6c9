"""The channels of the next layer: what each kink shows of one, put together until every entry is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.geometry import Place, grid_of
from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.linearised import Moving, moving
from divulge.reconstruction.convolutional.patches import gap
from divulge.reconstruction.convolutional.sides import Frame, origin_of, origins_around
from divulge.reconstruction.convolutional.walk import Answer, Kink, Walk
from divulge.reconstruction.convolutional.window import Fragment, Origin, Shown, fragment, shown
from divulge.reconstruction.settings import CONV_ROWS


@dataclass
class Row:
    """A channel in the making.

    Attributes:
        weights: of a window's features, then the offset, shape (q + 1,); 0 where not known.
        known: which are, shape (q + 1,).
        origin: of a window where it was seen.
    """

    weights: Array
    known: NDArray[np.bool_]
    origin: Origin

    @property
    def whole(self) -> bool:
        """Whether every entry is known."""
        return bool(self.known.all())

    def shares(self, other: Fragment, tolerance: float) -> bool:
        """Whether a fragment is of this channel: their common entries are the same up to a factor."""
        both = self.known & other.known
        if both.sum() < CONV_ROWS.overlap:
            return False
        mine, theirs = self.weights[both], other.weights[both]
        sizes = np.linalg.norm(mine), np.linalg.norm(theirs)
        if min(sizes) <= CONV_ROWS.slight * min(np.linalg.norm(self.weights), np.linalg.norm(other.weights)):
            return False
        return gap(mine, theirs) <= tolerance

    def join(self, other: Fragment) -> None:
        """Take the entries of a fragment that are not known yet."""
        both, fresh = self.known & other.known, other.known & ~self.known
        factor = self.weights[both] @ other.weights[both] / (other.weights[both] @ other.weights[both])
        self.weights[fresh] = factor * other.weights[fresh]
        self.known |= other.known


class NextLayer:
    """The search for the channels of the layer behind the known ones.

    Attributes:
        rows: channels that are not whole yet.
        deeper: kinks that are none of this layer.
        lost: kinks that tell too little alone.
    """

    def __init__(self, walk: Walk, frame: Frame) -> None:
        self.walk = walk
        self.frame = frame
        self.depth = len(walk.known.layers)
        self.rows: list[Row] = []
        self.deeper: list[Kink] = []
        self.lost: list[tuple[Shown, Origin]] = []
        self.places: list[Place] = []
        self.crossings = 0
        walk.told = self._count

    @property
    def layer(self) -> ConvLayer | None:
        """What is whole of it."""
        layers = self.walk.known.layers
        return layers[self.depth] if len(layers) > self.depth else None

    def features(self, maps: Tensor) -> Tensor:
        """The features in which it is looked for."""
        return self.walk.known.features(maps, self.depth)

    def find(self, quiet: int, kinks: Sequence[Kink] = ()) -> None:
        """Walk on until so many crossings of known channels in a row showed no new one.

        Args:
            quiet: how many.
            kinks: that were met before.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        for kink in kinks:
            self.take(kink)
        since, channels, steps = self.crossings, self._count_channels(), 0
        while self.crossings - since < quiet and steps < CONV_ROWS.patience:
            steps += 1
            for kink in self.walk.step():
                self.take(kink)
            if self._count_channels() > channels:
                since, channels, steps = self.crossings, self._count_channels(), 0

    def _count_channels(self) -> int:
        return 0 if self.layer is None else len(self.layer)

    def take(self, kink: Kink) -> None:
        """Look what a kink tells of a channel."""
        if self._known_elsewhere(kink):
            return
        now = moving(self.walk.known, kink.point, self.depth)
        origins = self._origins(kink)
        if not origins:
            self._show_part(kink, now)
            return
        for origin in origins:
            view = shown(now, kink, origin, self.frame.kernel)
            found = fragment([view], self.walk.tolerances.rounding)
            if found is not None and found.margin >= CONV_ROWS.margin:
                if not self._keep(found, origin, view.kink):
                    self.deeper.append(kink)
                return
            if self._joined(view, origin):
                return
        self.deeper.append(kink)

    def _show_part(self, kink: Kink, now: Moving) -> None:
        """Look whether a kink that shows a part of a window adds to a channel in the making."""
        known, tolerance = self.walk.known, self.walk.tolerances
        around = origins_around(known, self.depth, self.frame, kink) if self.rows else []
        for origin in around if len(around) <= CONV_ROWS.around else []:
            found = fragment([shown(now, kink, origin, self.frame.kernel)], tolerance.rounding)
            if found is None or found.margin < CONV_ROWS.margin:
                continue
            for row in self.rows:
                if row.shares(found, tolerance.alike):
                    row.join(found)
                    self._settle(row)
                    return
        self.deeper.append(kink)

    def _origins(self, kink: Kink) -> list[Origin]:
        if self.frame.whole:
            return [Origin(0, 0)]
        origin = origin_of(self.walk.known, self.depth, self.frame, kink)
        return [] if origin is None else [origin]

    def _joined(self, view: Shown, origin: Origin) -> bool:
        """Look whether a kink that tells too little alone and another one show a channel together."""
        for other, _ in self.lost[-CONV_ROWS.loose :]:
            found = fragment([view, other], self.walk.tolerances.rounding)
            if found is not None and found.margin >= CONV_ROWS.margin:
                self._keep(found, origin, view.kink)
                self.lost = [pair for pair in self.lost if pair[0] is not other]
                return True
        if too_few_equations(view):
            self.lost.append((view, origin))
            return True
        return False

    def _keep(self, found: Fragment, origin: Origin, kink: Kink) -> bool:
        """Add a fragment to the channel it is of, or begin a new one; False where it is of none.

        Two kinks of one window that were taken for one show a channel that is not there.
        """
        tolerance = self.walk.tolerances.alike
        if self.layer is not None:
            flat = self.layer.filters.reshape(len(self.layer), -1)
            known = np.column_stack([flat, self.layer.offsets])[:, found.known]
            if any(gap(row, found.weights[found.known]) <= tolerance for row in known):
                return True
        for row in self.rows:
            if row.shares(found, tolerance):
                row.join(found)
                self._settle(row)
                return True
        if not self.walk.certified(kink):
            return False
        row = Row(found.weights.copy(), found.known.copy(), origin)
        self.rows.append(row)
        self._settle(row)
        return True

    def _settle(self, row: Row) -> None:
        """Put a channel that is whole into the known layers."""
        if not row.whole:
            return
        self.rows = [other for other in self.rows if other is not row]
        shape = (self.walk.known.map_shape(self.depth)[0], *self.frame.kernel)
        if self.layer is None:
            self.walk.known.layers.append(ConvLayer(np.zeros((0, *shape)), np.zeros(0)))
        layer = self.layer
        assert layer is not None
        layer.add(row.weights[:-1].reshape(shape), float(row.weights[-1]))
        self.places.append(Place(len(layer) - 1, *row.origin))
        again, self.deeper = self.deeper, []
        self.deeper = [kink for kink in again if not self._known_elsewhere(kink)]

    def _known_elsewhere(self, kink: Kink) -> bool:
        """Whether a known channel is 0 at a kink, if it may begin anywhere, also where padding is."""
        layer = self.layer
        if layer is None:
            return False
        padding = tuple(0 if self.frame.whole else size - 1 for size in layer.kernel)
        wide = ConvLayer(layer.filters, layer.offsets, padding=(padding[0], padding[1]))
        with torch.no_grad():
            z = wide.before(self.features(self.walk.known.images(kink.point[None])))[0].numpy()
        place = np.unravel_index(int(np.abs(z).argmin()), z.shape)
        if abs(z[place]) > self.walk.tolerances.missing * max(float(np.abs(z).max()), 1.0):
            return False
        channel, row, column = (int(i) for i in place)
        self.places.append(Place(channel, row - padding[0], column - padding[1]))
        self._widen()
        return True

    def _widen(self) -> None:
        """Pad so far that windows may begin wherever a channel was seen."""
        layer = self.layer
        assert layer is not None
        _, height, width = self.walk.known.map_shape(self.depth)
        tops = max(max(-place.row, place.row + layer.kernel[0] - height, 0) for place in self.places)
        lefts = max(max(-place.column, place.column + layer.kernel[1] - width, 0) for place in self.places)
        layer.padding = (max(layer.padding[0], tops), max(layer.padding[1], lefts))

    def settle_grid(self) -> None:
        """Take stride and padding from the places where channels were seen to switch."""
        layer = self.layer
        if layer is not None and not self.frame.whole:
            layer.stride, layer.padding = grid_of(self.places, layer.padding)

    def _count(self, before: Answer, after: Answer, units: Index) -> None:
        """Count crossings of this layer's channels."""
        if self.layer is None:
            return
        own = units[units >= sum(self.walk.known.sizes()[: self.depth])]
        self.crossings += len(own)


def too_few_equations(view: Shown) -> bool:
    """Whether a kink has no more equations than its window has features that are on."""
    on = np.any(view.rows != 0, axis=1)
    return int(np.any(view.rows != 0, axis=0).sum()) < int(on.sum()) + CONV_ROWS.margin
