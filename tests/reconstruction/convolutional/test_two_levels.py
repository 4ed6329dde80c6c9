"""Units that are cut off above: said, never a wrong copy."""

from __future__ import annotations

import numpy as np
import pytest
from conv_networks import conv, conv_net, pool, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.two_levels import has_twins, has_two_levels
from divulge.reconstruction.convolutional.walk import Kink

SHAPE = (1, 8, 8)


def layer_of(channels=3):
    rng = np.random.default_rng(0)
    layer = ConvLayer(np.zeros((0, 1, 3, 3)), np.zeros(0))
    for _ in range(channels):
        layer.add(rng.standard_normal((1, 3, 3)), rng.standard_normal())
    return layer


def kink_at(layer, channel, level, corner, rng):
    """A kink where a channel's window at a corner is at a level."""
    rows, columns = slice(corner[0], corner[0] + 3), slice(corner[1], corner[1] + 3)
    jump, point = np.zeros(SHAPE), rng.standard_normal(SHAPE)
    jump[:, rows, columns] = layer.filters[channel]
    off = level - layer.offsets[channel] - (jump * point).sum()
    point += off * jump
    return Kink(point.ravel(), rng.standard_normal() * jump.ravel(), 1e-16, np.stack([point.ravel()] * 2))


@pytest.mark.parametrize(("levels", "found"), [((2.5, 2.5), True), ((2.5, 1.5), False), ((0.0, 0.0), False)])
def test_a_filter_at_one_level_that_is_not_0(levels, found):
    layer, rng = layer_of(), np.random.default_rng(1)
    corners = [(1, 2), (4, 3)]
    kinks = [kink_at(layer, 1, *pair, rng) for pair in zip(levels, corners, strict=True)]
    assert has_two_levels(layer, kinks, SHAPE, 1e-6) is found
    other = [kinks[0], kink_at(layer, 2, levels[1], (4, 3), rng)]
    assert not has_two_levels(layer, other, SHAPE, 1e-6)


def test_twins_have_one_filter():
    layer = layer_of()
    assert not has_twins(layer, 1e-6)
    layer.add(-2 * layer.filters[0], 3.0)
    assert has_twins(layer, 1e-6)


def test_a_network_of_units_that_are_cut_off_is_never_called_whole():
    shape = (1, 11, 11)
    net = conv_net(
        shape, conv(1, 2, 3), lambda: nn.Hardtanh(-0.5, 0.5), pool(), conv(2, 3, 3), nn.ReLU, seed=1
    )
    result = reconstruct(GradientOracle(victim_of(net, shape)), seed=1, input_shape=shape)
    assert not result.complete
    assert any("ReLU6" in str(note) for note in result.notes)
