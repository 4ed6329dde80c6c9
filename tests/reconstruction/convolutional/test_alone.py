"""Kinks of two units in one step are no reason to suppose a larger window."""

from __future__ import annotations

import numpy as np
import pytest
from conv_networks import conv, conv_net, victim_of
from torch import nn

from divulge import GradientOracle
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.convolutional.alone import certified_window
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.patches import box_of
from divulge.reconstruction.convolutional.sides import Frame
from divulge.reconstruction.convolutional.walk import Kink, Walk

SHAPE = (1, 9, 9)


@pytest.fixture
def walk():
    net = conv_net(SHAPE, conv(1, 2, 3), nn.ReLU, conv(2, 3, 3), nn.ReLU, outputs=1, seed=2)
    layer = ConvLayer(np.zeros((0, 1, 3, 3)), np.zeros(0))
    for weights, offset in zip(net[0].weight.detach().numpy(), net[0].bias.tolist(), strict=True):
        layer.add(weights, offset)
    transcript = Transcript(AskedOutput(GradientOracle(victim_of(net, SHAPE)), 0))
    return Walk(transcript, Lines(81, None, np.random.default_rng(0), 1.0), Prefix(SHAPE, [layer]))


def kinks_of(walk, count):
    """So many kinks that cover a window of 5x5."""
    found = []
    while len(found) < count:
        found += [kink for kink in walk.step() if box_of(kink, SHAPE).size == (5, 5) and walk.alone(kink)]
    return found


def sum_of(one, other):
    """Two kinks as one, at the first."""
    return Kink(one.point, one.jump + other.jump, one.floor, one.ends)


def test_a_window_that_two_units_cover_is_refused(walk):
    one, *others = kinks_of(walk, 6)
    other = next(kink for kink in others if box_of(kink, SHAPE) != box_of(one, SHAPE))
    twice = sum_of(one, other)
    rows, columns = box_of(twice, SHAPE).size
    alone, left = certified_window(walk, Frame(None, (rows - 2, columns - 2)), [one, twice])
    assert not alone
    assert left == [one]


def test_a_kink_of_one_unit_is_enough(walk):
    one, other = kinks_of(walk, 2)
    asked = len(walk.transcript)
    assert certified_window(walk, Frame(None, (3, 3)), [one, other]) == (True, [one, other])
    assert len(walk.transcript) <= asked + 4
    assert certified_window(walk, Frame(None, (7, 7), whole=True), [sum_of(one, other)])[0]
