"""Active sides of a last hidden layer with max pooling behind it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.equations import Equations, Solution, enough
from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.linearised import (
    Moving,
    activated,
    convolved,
    joined,
    moving,
    turned_over,
)
from divulge.reconstruction.convolutional.side_answers import Chosen, SideAnswers, corners
from divulge.reconstruction.settings import CONV_LAST, TINY


class PooledSides:
    """The search for the sides of a layer whose pooling is supposed."""

    def __init__(self, answers: SideAnswers) -> None:
        self.answers = answers
        self.walk = answers.walk
        self.prefix = answers.prefix

    def turn(self, layer: ConvLayer) -> float:
        """Turn a layer with max pooling: a channel has no weights on the side where it is not active."""
        left = 1.0
        for rows, pixels in product((self.answers.near, self.answers.far), corners(self.prefix)):
            left, wrong = self._turn_from(pixels, layer, rows)
            if left <= self.walk.tolerances.missing or wrong:
                break
        return left

    def _turn_from(self, pixels: Index | None, layer: ConvLayer, rows_for: Chosen) -> tuple[float, bool]:
        """Turn a layer by gradients at some pixels; return what is left, and whether no sides will do."""
        depth, missing = len(self.prefix.layers) - 1, self.walk.tolerances.missing

        def features(point: Array) -> Moving:
            z = convolved(layer, moving(self.prefix, point, depth, pixels))
            return joined([activated(layer, z), activated(layer, turned_over(layer, z))])

        equations = Equations(self.prefix, features, pixels)
        units = 2 * self.prefix.sizes()[-1]
        rows = self.answers.in_all(enough(self.prefix, units)) if pixels is None else rows_for(pixels, layer)
        rounds = CONV_LAST.rounds if pixels is None else 1
        for more in range(rounds):
            found = self.answers.solved(equations, rows)
            sizes = self._sizes(found)
            if found.residual > missing:
                return found.residual, True
            if self._undecided(sizes) <= missing or more == rounds - 1:
                break
            rows = np.concatenate([rows, self.answers.fresh(CONV_LAST.more)])
        self.prefix.layers[-1] = replace(layer, signs=np.where(sizes[0] >= sizes[1], 1.0, -1.0))
        return max(found.residual, self._undecided(sizes)), False

    def _sizes(self, found: Solution) -> Array:
        """Size of the weights of every channel turned one way and the other, shape (2, c)."""
        return np.asarray(
            np.linalg.norm(found.weights[:-1].reshape(2, len(self.prefix.layers[-1]), -1), axis=2)
        )

    def _undecided(self, sizes: Array) -> float:
        """How near any channel is to being turned either way: 0 where weights are on one side alone."""
        larger, smaller = sizes.max(axis=0), sizes.min(axis=0)
        seen = larger > self.walk.tolerances.missing * larger.max()
        return float((smaller / np.maximum(larger, TINY)).max()) if seen.all() else 1.0
