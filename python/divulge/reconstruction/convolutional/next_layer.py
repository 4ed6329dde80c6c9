"""The channels of the next layer: what each kink shows of one, put together until every entry is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import torch
from torch import Tensor

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.aimed import Aim, Channel
from divulge.reconstruction.convolutional.geometry import Place, grid_of
from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.linearised import Moving, moving
from divulge.reconstruction.convolutional.rows import Row
from divulge.reconstruction.convolutional.sides import Frame, origin_of, origins_around
from divulge.reconstruction.convolutional.walk import Answer, Kink, Walk
from divulge.reconstruction.convolutional.window import Fragment, Origin, Shown, completed, fragment, shown
from divulge.reconstruction.settings import CONV_AIMED, CONV_ROWS


class NextLayer:
    """The search for the channels of the layer behind the known ones.

    A channel is among the known layers from its first kink on, entries that were not seen yet being 0: where
    the features of these are off it is right, and what it explains is not cut up.

    Attributes:
        rows: the channels, in the layer's order.
        deeper: kinks that are none of this layer.
        lost: kinks that tell too little alone.
        places: where windows of channels were seen to begin.
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
        """What is known of it."""
        layers = self.walk.known.layers
        return layers[self.depth] if len(layers) > self.depth else None

    @property
    def entries(self) -> int:
        """How many entries of channels are known."""
        return sum(int(row.known.sum()) for row in self.rows)

    def features(self, maps: Tensor) -> Tensor:
        """The features in which it is looked for."""
        return self.walk.known.features(maps, self.depth)

    def find(self, quiet: int, kinks: Sequence[Kink] = ()) -> None:
        """Walk on until so many crossings of known channels in a row showed no new entry.

        Args:
            quiet: how many.
            kinks: that were met before.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        for kink in kinks:
            self.take(kink)
        self.complete()
        since, rows, steps = self.crossings, len(self.rows), 0
        while self.crossings - since < quiet and steps < CONV_ROWS.patience:
            steps += 1
            for kink in self.walk.step():
                self.take(kink)
            if len(self.rows) > rows:
                self.complete()
                since, rows, steps = self.crossings, len(self.rows), 0
        self.finish()

    def finish(self) -> None:
        """Drop what is no channel, and look for the entries of channels that are not known yet.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        self._certify()
        self.complete()

    def complete(self) -> None:
        """Go to where channels show the entries that are not known yet, while that teaches something.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        for row in list(self.rows):
            for _ in range(CONV_AIMED.rounds):
                if not any(row is other for other in self.rows) or row.whole or not self._look_at(row):
                    break

    def _look_at(self, row: Row) -> bool:
        """Ask on both sides of a channel's hyperplane where unknown features are on; whether it taught any."""
        number = next(i for i, other in enumerate(self.rows) if other is row)
        channel = Channel(self.walk.known, self.depth, row, number)
        for point, origin in self._starts(row, channel):
            size = float(np.linalg.norm(point)) / np.sqrt(len(point))
            for level, most in product(CONV_AIMED.levels, CONV_AIMED.most):
                aim = channel.aim(point, origin, level * size, most)
                if aim is not None and self._shown_across(row, aim, origin):
                    return True
        return False

    def _starts(self, row: Row, channel: Channel) -> Iterator[tuple[Array, Origin]]:
        """Points (d,) near a channel's hyperplane, and where the window begins there."""
        if row.at is not None:
            yield row.at[0].point, row.at[1]
        answers = self.walk.transcript.points[-CONV_AIMED.answers :, :-1]
        yield from channel.starts(np.concatenate([answers, self.walk.samples(CONV_AIMED.samples)]))

    def _shown_across(self, row: Row, aim: Aim, origin: Origin) -> bool:
        """Ask on both sides of a hyperplane; whether that showed entries of the row."""
        entries = self.entries
        for wide in CONV_AIMED.wide:
            ends = np.stack([aim.point - wide * aim.across, aim.point + wide * aim.across])
            for kink in self.walk.isolated(*self.walk.ask(ends)):
                if not self._adds(row, kink, origin):
                    self.take(kink)
            if self.entries > entries:
                return True
        return False

    def _adds(self, row: Row, kink: Kink, origin: Origin) -> bool:
        """Whether a kink at a window is a row's and shows entries of it that were not known."""
        view = shown(moving(self.walk.known, kink.point, self.depth), kink, origin, self.frame.kernel)
        found = completed(view, row.weights, row.known, self.walk.tolerances.rounding)
        if found is None or found.margin < CONV_ROWS.margin or not row.join(found):
            return False
        row.alone = None
        self._see(origin)
        self._settle(row)
        return True

    def take(self, kink: Kink) -> None:
        """Look what a kink tells of a channel."""
        if self._known_elsewhere(kink):
            return
        origins = self._origins(kink)
        now = moving(self.walk.known, kink.point, self.depth)
        if not origins:
            self._show_part(kink, now)
            return
        for origin in origins:
            view = shown(now, kink, origin, self.frame.kernel)
            found = fragment([view], self.walk.tolerances.rounding)
            if found is not None and found.margin >= CONV_ROWS.margin:
                self._keep(found, origin, view.kink)
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
            if self._joins(found, origin):
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

    def _keep(self, found: Fragment, origin: Origin, kink: Kink) -> None:
        """Add a fragment to the channel it is of, or begin a new one."""
        if self._joins(found, origin):
            return
        row = Row(found.weights.copy(), found.known.copy(), kink, (kink, origin))
        self.rows.append(row)
        self._see(origin)
        self._settle(row)

    def _certify(self) -> None:
        """Drop channels that one kink showed which is none.

        Two kinks of one window that were taken for one show a channel that is not there.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        for row in [row for row in self.rows if row.alone is not None]:
            assert row.alone is not None
            if self.walk.certified(row.alone):
                row.alone = None
        if any(row.alone is not None for row in self.rows):
            self.rows = [row for row in self.rows if row.alone is None]
            self._write()

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
            fresh.add(row.weights[:-1].reshape(shape), float(row.weights[-1]))
        if self.layer is None:
            self.walk.known.layers.append(fresh)
        else:
            self.walk.known.layers[self.depth] = replace(
                self.layer, filters=fresh.filters, offsets=fresh.offsets
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
        place = np.unravel_index(int(np.abs(z).argmin()), z.shape)
        if abs(z[place]) > self.walk.tolerances.missing * max(float(np.abs(z).max()), 1.0):
            return False
        _, row, column = (int(i) for i in place)
        self._see(Origin(row - padding[0], column - padding[1]))
        return True

    def _see(self, origin: Origin) -> None:
        """Note where a window begins."""
        self.places.append(Place(0, *origin))
        layer = self.layer
        if layer is None or self.frame.whole:
            return
        _, height, width = self.walk.known.map_shape(self.depth)
        tops = max(max(-place.row, place.row + layer.kernel[0] - height, 0) for place in self.places)
        lefts = max(max(-place.column, place.column + layer.kernel[1] - width, 0) for place in self.places)
        layer.padding = (max(layer.padding[0], tops), max(layer.padding[1], lefts))
        if len(self.places) >= CONV_ROWS.places:
            self.settle_grid()

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
