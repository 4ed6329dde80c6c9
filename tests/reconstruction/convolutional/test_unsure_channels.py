"""Channels that one kink alone has shown: two that switch at once show a filter that is none."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from divulge.reconstruction.convolutional.first_layer import FirstLayer
from divulge.reconstruction.convolutional.geometry import Place
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.patches import Box
from divulge.reconstruction.convolutional.walk import Answer, Kink, Walk


def search(seed, certified):
    """A search that knows a filter, and the sum of this and another, which one kink has shown."""
    rng = np.random.default_rng(seed)
    one, other = rng.standard_normal((2, 1, 3, 3))
    layer = ConvLayer(np.zeros((0, 1, 3, 3)), np.zeros(0))
    layer.add(one, 0.0)
    layer.add(one + other, 0.0)
    walk = Walk(SimpleNamespace(tolerances=None), SimpleNamespace(domain=()), Prefix((1, 8, 8), [layer]))
    walk.certified = lambda _: certified
    first = FirstLayer(walk)
    kink = Kink(np.zeros(64), np.zeros(64), 0.0, np.zeros((2, 64)))
    first._unsure = {1: kink}
    first._shown_by = [(kink, Box(0, 3, 0, 3))] * 2
    first.places = [Place(0, 0, 0), Place(1, 0, 0)]
    return first, one, other


def step(first, jump, units):
    """Take note of a step over which units switched, the gradient changing by a patch at (2, 3)."""
    image = np.zeros((8, 8))
    image[2:5, 3:6] = jump[0]
    points = np.random.default_rng(9).standard_normal((2, 64))
    first._note_places(
        Answer(points[0], 0.0, np.zeros(64)), Answer(points[1], 0.0, image.ravel()), np.array(units)
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_sum_that_explains_a_filter_with_another_stays_unsure(seed):
    first, one, other = search(seed, certified=True)
    step(first, other, [15, 36 + 15])
    assert list(first._unsure) == [1]
    step(first, one + other, [36 + 15])
    assert not first._unsure


@pytest.mark.parametrize("certified", [True, False])
def test_the_search_goes_on_where_a_channel_was_none(monkeypatch, certified):
    first, _, _ = search(0, certified)
    known = []
    monkeypatch.setattr(FirstLayer, "_search", lambda self, _: known.append(len(self.layer)))
    first.complete(40)
    assert known == ([2] if certified else [2, 1])
    assert len(first.layer) == (2 if certified else 1)
