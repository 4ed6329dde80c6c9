"""Channels that hardly any input turns on, or off: found, or the copy is not complete."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conv_networks import conv, conv_net, error_of, pool, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.convolutional import ending
from divulge.reconstruction.convolutional.inputs import grainy

SHAPE = (1, 14, 14)


def net_with_a_rare_channel(share, seed, other_side=False):
    """A network of which one channel of the second layer is on (off) at a share of its units."""
    net = conv_net(SHAPE, conv(1, 4, 5), nn.ReLU, pool(), conv(4, 5, 3), nn.ReLU, seed=seed)
    lines = Lines(196, None, np.random.default_rng(0), 1.0)
    with torch.no_grad():
        z = net[:4](torch.from_numpy(grainy(lines, SHAPE, 400)).reshape(-1, *SHAPE))[:, 0]
        net[3].bias[0] -= torch.quantile(z, share if other_side else 1 - share)
    return net


@pytest.mark.parametrize("other_side", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_a_copy_that_lacks_one_is_not_complete(seed, other_side):
    net = net_with_a_rare_channel(2e-3, seed, other_side)
    result = reconstruct(GradientOracle(victim_of(net, SHAPE), budget=4000), seed=seed, input_shape=SHAPE)
    small = [error_of(result, net, SHAPE, scale) < 1e-8 for scale in (0.3, 1.0, 10.0, 100.0)]
    assert all(small) or not result.complete


@pytest.mark.parametrize("seed", range(2))
def test_one_that_is_on_at_two_in_a_thousand_units_is_found(seed):
    net = net_with_a_rare_channel(2e-3, seed)
    result = reconstruct(GradientOracle(victim_of(net, SHAPE), budget=4000), seed=seed, input_shape=SHAPE)
    assert result.complete, result.notes
    assert error_of(result, net, SHAPE, scale=100.0) < 1e-8


def test_a_copy_that_the_last_answers_refute_is_gone_on_from(monkeypatch):
    monkeypatch.setattr(ending, "ask_fresh", lambda *_: None)
    net = net_with_a_rare_channel(2e-3, 0)
    result = reconstruct(GradientOracle(victim_of(net, SHAPE), budget=4000), input_shape=SHAPE)
    assert result.complete, result.notes
    assert error_of(result, net, SHAPE, scale=100.0) < 1e-8
