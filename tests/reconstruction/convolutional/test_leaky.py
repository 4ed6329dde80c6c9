"""Leaky units between convolutions and behind them: slopes to the last digit, whole copies."""

from __future__ import annotations

import numpy as np
import pytest
from conv_networks import conv, conv_net, error_of, filter_error, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.linearised import moving


def leaky(slope):
    return lambda: nn.LeakyReLU(slope)


@pytest.mark.parametrize("slope", [0.1, 0.01, 1 / 3])
def test_a_leaky_layer_acts_on_small_changes_as_on_inputs(slope):
    rng = np.random.default_rng(0)
    layer = ConvLayer(
        rng.standard_normal((2, 1, 3, 3)), np.zeros(2), signs=np.array([1.0, -1.0]), slope=slope
    )
    prefix = Prefix((1, 5, 5), [layer])  # no offsets: features are their gradients times the input
    point = rng.standard_normal(25)
    now = moving(prefix, point, 1)
    assert np.abs(now.rows() @ point - now.values()).max() < 1e-15


@pytest.mark.parametrize(
    ("first", "second", "between"),
    [
        (leaky(0.1), leaky(0.1), [lambda: nn.AvgPool2d(2)]),
        (leaky(0.2), nn.ReLU, [lambda: nn.AvgPool2d(2)]),
        (lambda: nn.PReLU(init=0.3), lambda: nn.PReLU(init=0.15), []),
    ],
)
def test_a_network_of_leaky_units_is_found(first, second, between):
    shape = (1, 13, 13)
    net = conv_net(shape, conv(1, 3, 4), first, *between, conv(3, 4, 3), second, seed=4)
    result = reconstruct(GradientOracle(victim_of(net, shape)), input_shape=shape)
    assert result.complete, result.notes
    assert filter_error(result, net) < 1e-8
    assert error_of(result, net, shape, scale=10.0) < 1e-8
    assert slopes_of(result.module) == pytest.approx(slopes_of(net), abs=1e-9)


@pytest.mark.parametrize(("channels", "between", "size"), [(6, [], 9), (7, [lambda: nn.AvgPool2d(2)], 14)])
def test_windows_of_more_leaky_features_than_pixels_are_found(channels, between, size):
    shape = (1, size, size)
    parts = conv(1, channels, 3), leaky(0.1), *between, conv(channels, 4, 3), leaky(0.1)
    net = conv_net(shape, *parts, outputs=1, seed=2)
    result = reconstruct(GradientOracle(victim_of(net, shape)), input_shape=shape)
    assert result.complete, result.notes
    assert max(error_of(result, net, shape, scale) for scale in (0.3, 1.0, 30.0)) < 1e-8
    assert slopes_of(result.module) == pytest.approx([0.1, 0.1], abs=1e-9)


def slopes_of(module):
    """Of every activation in turn, 0 for a ReLU."""
    found = []
    for part in module:
        if isinstance(part, nn.ReLU):
            found.append(0.0)
        elif isinstance(part, nn.LeakyReLU):
            found.append(part.negative_slope)
        elif isinstance(part, nn.PReLU):
            found.append(part.weight.item())
    return found
