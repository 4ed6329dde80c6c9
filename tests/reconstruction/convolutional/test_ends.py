"""Units that are cut off above are taken apart: where they end, and copies of ReLU6."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conv_networks import conv, conv_net, error_of, kinds, pool, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.convolutional.first_layer import FirstLayer
from divulge.reconstruction.convolutional.layers import ConvLayer, Pool, Prefix
from divulge.reconstruction.convolutional.linearised import moving
from divulge.reconstruction.convolutional.network import ConvNetwork


def layer_of(rng, pool_=None, ends=(2.5, np.inf, 1.0)):
    layer = ConvLayer(np.zeros((0, 1, 3, 3)), np.zeros(0), pool=pool_)
    for end in ends:
        layer.add(rng.standard_normal((1, 3, 3)), rng.standard_normal(), end * rng.choice([-1.0, 1.0]))
    layer.signs = rng.choice([-1.0, 1.0], len(ends))
    return layer


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pool_", [None, Pool("avg", 2, 2), Pool("max", 2, 2)])
def test_a_layer_its_slopes_and_its_module_are_one(seed, pool_):
    rng = np.random.default_rng(seed)
    prefix = Prefix((1, 8, 8), [layer_of(rng, pool_)])
    network = ConvNetwork(prefix, rng.standard_normal((2, int(np.prod(prefix.map_shape(1))) + 1)))
    points = 4 * rng.standard_normal((5, 64))
    values, gradients = network.answers(points, 1)
    module = network.module(torch.float64)
    np.testing.assert_allclose(module(torch.from_numpy(points))[:, 1].detach().numpy(), values, atol=1e-9)
    rows = moving(prefix, points[0], 1).rows()
    np.testing.assert_allclose(network.weights[1, :-1] @ rows, gradients[0], atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_a_channel_ends_at_either_side_of_where_it_was_first_seen(seed):
    """The same two levels of one filter, whichever of them came first, are one channel."""
    rng = np.random.default_rng(seed)
    filter_, offset, end = rng.standard_normal((1, 3, 3)), rng.standard_normal(), rng.uniform(0.5, 3)
    one = ConvLayer(np.zeros((0, 1, 3, 3)), np.zeros(0))
    other = ConvLayer(np.zeros((0, 1, 3, 3)), np.zeros(0))
    one.add(filter_, offset, end)
    other.add(filter_, offset - end, -end)
    np.testing.assert_allclose(one.offsets, other.offsets)
    np.testing.assert_allclose(one.ends, other.ends)
    assert one.ended.all()


@pytest.mark.parametrize("seed", range(4))
def test_states_change_where_units_begin_and_end(seed):
    rng = np.random.default_rng(seed)
    layer = layer_of(rng)
    z = torch.from_numpy(3 * rng.standard_normal((2, 3, 4, 4)))
    inside = (layer.rise(layer.turned(z)) > 0).numpy()
    states = layer.state(z).numpy()
    differ = inside[0] != inside[1]
    assert (states[0] != states[1])[differ].all()


@pytest.mark.parametrize(("seed", "scale"), [(0, 3.0), (1, 3.0), (2, 4.0)])
def test_a_network_of_relu6_is_whole_and_named(seed, scale):
    shape = (1, 12, 12)
    net = conv_net(shape, conv(1, 4, 5), nn.ReLU6, pool(), conv(4, 6, 3), nn.ReLU6, outputs=1, seed=seed)
    with torch.no_grad():
        net[0].weight *= scale
        net[3].weight *= scale
    result = reconstruct(GradientOracle(victim_of(net, shape)), seed=seed, input_shape=shape)
    assert result.complete
    assert kinds(result.module) == ["Conv2d", "ReLU6", "AvgPool2d", "Conv2d", "ReLU6", "Linear"]
    assert max(error_of(result, net, shape, scale) for scale in (0.3, 1.0, 3.0, 30.0)) < 1e-8


@pytest.mark.parametrize("seed", range(2))
def test_channels_that_were_not_seen_to_be_cut_off_are_counted(seed):
    shape = (1, 12, 12)
    net = conv_net(shape, conv(1, 4, 5), nn.ReLU6, pool(), conv(4, 6, 3), nn.ReLU, outputs=1, seed=seed)
    with torch.no_grad():
        net[0].weight *= 3
    result = reconstruct(GradientOracle(victim_of(net, shape)), seed=seed, input_shape=shape)
    assert result.complete
    assert any("6 channels of layer 2" in str(note) for note in result.notes)
    assert not any("of layer 1" in str(note) for note in result.notes)


@pytest.mark.parametrize("ends", [(2.5, np.inf, 1.0), (np.inf, np.inf), (1.0, 2.0)])
def test_channels_without_an_end_count_only_where_others_have_one(ends):
    rng = np.random.default_rng(0)
    prefix = Prefix((1, 8, 8), [layer_of(rng, ends=ends)])
    network = ConvNetwork(prefix, rng.standard_normal((1, int(np.prod(prefix.map_shape(1))) + 1)))
    assert network.endless == [0 if np.isinf(ends).all() else int(np.isinf(ends).sum())]


def test_channels_seen_once_are_still_doubted_when_ends_are_dropped():
    layer = layer_of(np.random.default_rng(0), ends=(np.inf,) * 3)
    layer.signs = None
    layer.filters = layer.filters[[0, 0, 1, 2]]
    layer.offsets = np.arange(4.0)
    known = Prefix((1, 8, 8), [layer])
    first = FirstLayer(SimpleNamespace(known=known, tolerances=SimpleNamespace(alike=1e-6)))
    first._shown_by, first._unsure = list("abcd"), {1: "end", 3: "seen once"}
    first._drop_ends()
    np.testing.assert_array_equal(first.layer.offsets, [0, 2, 3])
    assert first._unsure == {2: "seen once"}
