"""Units of dense layers that walks do not meet."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conv_networks import conv, conv_net, error_of, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.convolutional.dense_rest import RestOfLast
from divulge.reconstruction.convolutional.odd_pieces import Rest

SHAPE = (1, 10, 10)
PARTS = [conv(1, 3, 4, stride=2, padding=1), nn.ReLU, nn.Flatten, lambda: nn.Linear(75, 8), nn.ReLU]


def with_rare_units(seed):
    """Two units that only few features alone turn on, two that only they turn off."""
    net, rng = conv_net(SHAPE, *PARTS, seed=seed), np.random.default_rng(seed)
    with torch.no_grad():
        for unit, side in ((0, -1), (1, -1), (2, 1), (3, 1)):
            few = rng.permutation(75)[:4]
            net[3].weight[unit] = side * net[3].weight[unit].abs()
            net[3].weight[unit, few] = -side * rng.uniform(0.05, 0.15)
    return net


@pytest.mark.parametrize("seed", [0, 1])
def test_units_that_are_on_hardly_ever_or_nearly_always_are_found(seed):
    net = with_rare_units(seed)
    with torch.no_grad():
        on = (net[:4](torch.randn(2000, *SHAPE, dtype=torch.float64)) > 0).double().mean(dim=0)[:4]
    assert torch.minimum(on, 1 - on).max() < 0.02
    result = reconstruct(GradientOracle(victim_of(net, SHAPE), budget=4000), seed=seed, input_shape=SHAPE)
    assert result.complete, result.notes
    assert result.hidden_sizes == (75, 8)
    assert max(error_of(result, net, SHAPE, scale=scale) for scale in (1.0, 100.0)) < 1e-8


def test_without_them_such_a_network_is_not_called_whole_wrongly(monkeypatch):
    monkeypatch.setattr(RestOfLast, "find", lambda _: None)
    net = with_rare_units(0)
    result = reconstruct(GradientOracle(victim_of(net, SHAPE), budget=2500), input_shape=SHAPE)
    assert not result.complete or error_of(result, net, SHAPE, scale=100.0) < 1e-8


def test_two_dense_layers_behind_averages_are_found():
    torch.manual_seed(1)
    first = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()]
    dense = [nn.Linear(100, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)]
    net = nn.Sequential(*first, *dense).double()
    shape = (1, 12, 12)
    result = reconstruct(GradientOracle(victim_of(net, shape), budget=9000), seed=1, input_shape=shape)
    assert result.complete, result.notes
    assert result.hidden_sizes == (400, 16, 8)
    assert max(error_of(result, net, shape, scale=scale) for scale in (1.0, 30.0)) < 1e-8


def test_pieces_that_leave_the_same_are_together_the_most_first():
    rng = np.random.default_rng(0)
    one, two = rng.standard_normal((2, 40))
    left = np.zeros((9, 41))
    left[[1, 2], :-1], left[[4, 6, 7], :-1] = one, two
    left[2, :20], left[4, 30:40] = np.nan, np.nan
    groups = Rest(left, np.array([1, 2, 4, 6, 7]), np.zeros(40), 1.0).alike()
    assert [group.tolist() for group in groups] == [[2, 3, 4], [0, 1]]
