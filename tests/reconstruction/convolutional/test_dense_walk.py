"""Walks behind known features."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.convolutional.dense_walk import DenseWalk
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.walk import Answer
from divulge.reconstruction.settings import CONV_DENSE


class Unexplained:
    """A walk whose answers features of the known layers do not explain."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        layer = ConvLayer(self.rng.standard_normal((1, 1, 3, 3)), np.zeros(1), signs=np.ones(1))
        self.known = Prefix((1, 5, 5), [layer])
        self.tolerances = SimpleNamespace(missing=1e-7, alike=1e-6)
        self.lines = Lines(25, None, self.rng, 1.0)
        self.asked = 0

    def samples(self, count):
        return self.rng.standard_normal((count, 25))

    def ask(self, points):
        self.asked += len(points)
        assert self.asked <= 2 * CONV_DENSE.ways * CONV_DENSE.early
        return [Answer(x, 1.0, self.rng.standard_normal(25)) for x in points]


def test_a_walk_on_which_nothing_is_explained_ends():
    walk = Unexplained()
    search = DenseWalk(walk)
    search.walk_from(walk.ask(walk.samples(1))[0])
    assert search.spoilt
    assert not search.found.rows
