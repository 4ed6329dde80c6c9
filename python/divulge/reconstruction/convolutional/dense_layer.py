"""A dense layer behind known features: its rows from walks, and completed beside their hyperplanes."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.convolutional.aimed import Channel
from divulge.reconstruction.convolutional.dense_rows import DenseRow, difference
from divulge.reconstruction.convolutional.dense_walk import DenseWalk
from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.window import Origin
from divulge.reconstruction.settings import CONV_DENSE


class DenseLayer(DenseWalk):
    """The search for the rows of a dense layer."""

    def recount(self) -> None:
        """Look at all walks once more: by how much slopes jump where each unit switches."""
        for row in self.found.rows:
            row.jumps.clear()
            row.missed = 0
        for walk in self.trail:
            for before, after in pairwise(walk):
                one, two = self.back.piece(before), self.back.piece(after)
                if one is not None and two is not None:
                    units, _, ways = self.found.switched(one, two)
                    between = difference(one, two)
                    sizes = self.found.explained(between, units)
                    if sizes is not None:
                        self.found.learn(between, units, sizes, ways)
        self.found.rows = [row for row in self.found.rows if row.jumps]
        self.found.drop_false()

    def complete(self) -> None:
        """Ask beside units' hyperplanes where features are on of which their entries are not known yet.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        self.recount()
        self.install()
        for number, row in enumerate(self.found.rows):
            for _ in range(CONV_DENSE.rounds):
                if row.whole or len(row.jumps) < CONV_DENSE.often or not self._look_at(number, row):
                    break
        self.install()

    def _look_at(self, number: int, row: DenseRow) -> bool:
        """Whether asking beside a hyperplane told entries of a row."""
        known = int(row.known.sum())
        self.install()
        channel = Channel(self.walk.known, self.depth, row, number)
        points = np.concatenate(
            [
                np.stack([piece.point for piece in self.pieces[-CONV_DENSE.answers :]]),
                self.walk.samples(CONV_DENSE.answers),
            ]
        )
        for point, origin in channel.starts(points):
            size = float(np.linalg.norm(point)) / np.sqrt(len(point))
            for level, most in product(CONV_DENSE.levels, CONV_DENSE.turned_on):
                if self._shown_at(channel, point, origin, level * size, most):
                    return True
                if int(row.known.sum()) > known:
                    return True
        return False

    def _shown_at(self, channel: Channel, point: Array, origin: Origin, level: float, most: int) -> bool:
        """Ask on both sides of a hyperplane near a point; whether that told any entry."""
        aim = channel.aim(point, origin, level, most)
        if aim is None:
            return False
        beside = np.stack([aim.point - 2 * aim.across, aim.point + 2 * aim.across])
        domain = self.walk.lines.domain
        if domain is not None and (beside != np.clip(beside, *domain)).any():
            return False
        before = sum(int(row.known.sum()) for row in self.found.rows)
        ends = self.walk.ask(beside)
        self._compare(ends[0], ends[1], CONV_DENSE.deepest, len(self.trail))
        return sum(int(row.known.sum()) for row in self.found.rows) > before

    def install(self) -> None:
        """Put the rows into the known layers."""
        shape = self.walk.known.map_shape(self.depth)
        layer = ConvLayer(np.zeros((0, *shape)), np.zeros(0))
        for row in self.found.rows:
            layer.add(row.weights[:-1].reshape(shape), float(row.weights[-1]))
        del self.walk.known.layers[self.depth :]
        if self.found.rows:
            self.walk.known.layers.append(layer)
