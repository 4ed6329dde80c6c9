"""What a copy lacks, met between an answer that it does not give and one that it does."""

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
from divulge.reconstruction.convolutional.misses import gaps, kinks_towards_right, wrong_rows
from divulge.reconstruction.convolutional.network import ConvNetwork
from divulge.reconstruction.convolutional.patches import box_of, gap, patch_of
from divulge.reconstruction.convolutional.walk import Walk

SHAPE = (1, 9, 9)


def a_channel_missing(seed):
    """A walk with some answers, a copy that lacks a channel of the victim, and that channel's filter."""
    net = conv_net(SHAPE, conv(1, 3, 3), nn.ReLU, outputs=1, seed=seed)
    net[0].bias.data[2] = -1.5  # seldom on: some answers are right without it
    weights, offsets = (part.detach().numpy() for part in (net[0].weight, net[0].bias))
    known = ConvLayer(weights[:2], offsets[:2], signs=np.ones(2))
    last = np.concatenate([net[3].weight.detach().numpy()[:, :98], net[3].bias.detach().numpy()[:, None]], 1)
    network = ConvNetwork(Prefix(SHAPE, [known]), last)
    transcript = Transcript(AskedOutput(GradientOracle(victim_of(net, SHAPE)), 0))
    walk = Walk(transcript, Lines(81, None, np.random.default_rng(seed), 1.0), network.prefix)
    walk.ask(np.concatenate([0.3 * walk.samples(3), 2.0 * walk.samples(3)]))
    return walk, network, weights[2]


def is_met(kinks, weights):
    """Whether one of some kinks is a filter."""
    return any(
        box_of(kink, SHAPE).size == (3, 3)
        and gap(patch_of(kink.jump, box_of(kink, SHAPE), SHAPE), weights) < 1e-7
        for kink in kinks
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_missing_channel_is_met(seed):
    walk, network, weights = a_channel_missing(seed)
    wrong = wrong_rows(network, walk.transcript, np.arange(6), 1e-7)
    assert 0 < len(wrong) < 6
    assert is_met(kinks_towards_right(walk, network, int(wrong[0]), 1e-7), weights)


@pytest.mark.parametrize("seed", range(5))
def test_a_wrong_answer_is_none_that_the_copy_gives_where_gradients_are_larger_elsewhere(seed):
    """What is wrong of a small gradient alone is less than the tolerance, of the largest."""
    walk, network, weights = a_channel_missing(seed)
    transcript = walk.transcript
    wrong = wrong_rows(network, transcript, np.arange(6), 1e-7)
    sizes = np.abs(transcript.pieces[:, :-1]).max(axis=1)
    row = int(wrong[sizes[wrong].argmin()])
    off = gaps(network, transcript.points[[row], :-1], transcript.pieces[[row], :-1])[0]
    transcript.pieces[sizes.argmax()] *= 1e9
    kinks = kinks_towards_right(walk, network, row, float(off / sizes[row]) * 1e-4)
    assert is_met(kinks, weights)
