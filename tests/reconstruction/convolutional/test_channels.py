"""Where windows of channels begin, as more and more of them are seen."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from divulge.reconstruction.convolutional.channels import Channels
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.sides import Frame
from divulge.reconstruction.convolutional.window import Origin


def channels_behind(side):
    """Channels of 3x3 over one map of so many rows."""
    rng = np.random.default_rng(0)
    first = ConvLayer(rng.standard_normal((1, 1, 1, 1)), np.zeros(1), signs=np.ones(1))
    second = ConvLayer(rng.standard_normal((2, 1, 3, 3)), np.zeros(2))
    known = Prefix((1, side, side), [first])
    found = Channels(SimpleNamespace(known=known), Frame(None, (3, 3)))
    known.layers.append(second)
    return found


def test_padding_that_too_few_windows_seemed_to_need_is_taken_back():
    found = channels_behind(13)
    for origin in (Origin(1, 1), Origin(5, 5), Origin(9, 1)):
        found._see(origin)
    found.settle_grid()
    assert (found.layer.stride, found.layer.padding) == ((4, 4), (3, 3))
    found._see(Origin(3, 7))
    found.settle_grid()
    assert (found.layer.stride, found.layer.padding) == ((2, 2), (1, 1))


def test_a_window_that_is_seen_again_says_nothing_of_the_stride():
    found = channels_behind(13)
    for _ in range(20):
        found._see(Origin(1, 1))
        found._see(Origin(5, 5))
    assert (found.layer.stride, found.layer.padding) == ((1, 1), (0, 0))
