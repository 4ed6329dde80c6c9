"""Offsets of channels with max pooling behind them: met where a whole window goes below 0."""

from __future__ import annotations

import numpy as np
import pytest
from conv_networks import conv, conv_net, victim_of
from torch import nn

from divulge import GradientOracle
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.next_layer import NextLayer
from divulge.reconstruction.convolutional.rows import Row
from divulge.reconstruction.convolutional.sides import Frame
from divulge.reconstruction.convolutional.walk import Kink, Walk
from divulge.reconstruction.convolutional.window import Origin

SHAPE = (1, 12, 12)


def channels_without_offsets(seed, pool):
    """The search behind a known layer, two channels known but for their offsets, and what these are."""
    parts = [conv(1, 3, 3), nn.ReLU, conv(3, 2, 3), nn.ReLU, lambda: nn.MaxPool2d(pool)]
    net = conv_net(SHAPE, *parts, seed=seed)
    arrays = [part.detach().numpy() for part in net.parameters()]
    known = Prefix(SHAPE, [ConvLayer(arrays[0], arrays[1], signs=np.ones(3))])
    walk = Walk(
        Transcript(AskedOutput(GradientOracle(victim_of(net, SHAPE)), 0)),
        Lines(144, None, np.random.default_rng(seed), 1.0),
        known,
    )
    search = NextLayer(walk, Frame(None, (3, 3)))
    for filter_ in arrays[2]:
        known_entries = np.append(np.ones(filter_.size, bool), False)
        at = Kink(walk.samples(1)[0], np.zeros(144), 0.0, np.zeros((2, 144)))
        search.rows.append(Row(np.append(filter_, 0.0), known_entries, at=(at, Origin(4, 4))))
    search._write()
    return search, arrays[3]


@pytest.mark.parametrize("pool", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_offsets_are_met_where_all_of_a_window_switches_off(seed, pool):
    search, offsets = channels_without_offsets(seed, pool)
    search.find_offsets()
    assert [row.whole for row in search.rows[:2]] == [True, True]
    assert np.allclose([row.weights[-1] for row in search.rows[:2]], offsets, atol=1e-9)
    assert len(search.walk.transcript) < 500  # a straight way down took up to 1,900


def test_a_channel_that_was_seen_nowhere_is_left_as_it_is():
    search, _ = channels_without_offsets(0, 2)
    for row in search.rows:
        row.at = None
    search.find_offsets()
    assert not any(row.known[-1] for row in search.rows)
    assert not len(search.walk.transcript)
