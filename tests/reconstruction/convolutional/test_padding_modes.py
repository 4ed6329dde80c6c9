"""Padding by other pixels than zeros is named, and zeros are not taken for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conv_networks import conv, conv_net, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.padding_modes import padding_mode
from divulge.reconstruction.convolutional.walk import Kink


@pytest.mark.parametrize("mode", ["reflect", "circular", "replicate"])
def test_a_network_is_told_to_have_it(mode):
    shape = (1, 10, 10)
    net = conv_net(shape, conv(1, 3, 3, padding=1, padding_mode=mode), nn.ReLU, outputs=1)
    result = reconstruct(GradientOracle(victim_of(net, shape)), input_shape=shape)
    assert not result.complete
    assert result.queries < 400
    assert f"layer 1 has {mode} padding" in str(result.notes[-1])
    assert result.hidden_sizes == (3 * 64,)  # the windows inside


@pytest.mark.parametrize("mode", ["reflect", "circular", "replicate", "zeros"])
@pytest.mark.parametrize(("kernel", "padding", "stride"), [((3, 3), 1, 1), ((5, 5), 2, 1), ((2, 4), 1, 2)])
def test_kinks_over_the_edges_tell_it(mode, kernel, padding, stride):
    shape = (2, 8, 9)
    torch.manual_seed(0)
    part = nn.Conv2d(2, 3, kernel, stride, padding, padding_mode=mode).double()
    x = torch.zeros(1, *shape, dtype=torch.float64, requires_grad=True)
    corner = part(x)[0, :, 0, :2].flatten()
    jumps = [torch.autograd.grad(entry, x, retain_graph=True)[0].flatten().numpy() for entry in corner]
    kinks = [Kink(np.zeros(144), jump, 0.0, np.zeros((2, 144))) for jump in jumps]
    layer = ConvLayer(part.weight.detach().numpy(), part.bias.detach().numpy())
    assert padding_mode(layer, kinks, shape, 1e-6) == ("" if mode == "zeros" else mode)


def padded_by(filters, padding, shape):
    """Return what is said of a layer padded by zeros, by the jumps of all its windows."""
    layer = ConvLayer(filters, np.zeros(len(filters)))
    x = torch.zeros(1, *shape, dtype=torch.float64, requires_grad=True)
    z = nn.functional.conv2d(x, torch.from_numpy(filters), padding=padding).flatten()
    jumps = [torch.autograd.grad(entry, x, retain_graph=True)[0].flatten().numpy() for entry in z]
    size = x.numel()
    kinks = [Kink(np.zeros(size), jump, 0.0, np.zeros((2, size))) for jump in jumps if jump.any()]
    return padding_mode(layer, kinks, shape, 1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_zeros_are_not_taken_for_pixels_by_filters_that_look_alike(seed):
    rng = np.random.default_rng(seed)
    dead, turned = rng.standard_normal((2, 3, 1, 3, 3))
    dead[0, 0, 0] = 0.0
    turned[1] = turned[0, :, ::-1, ::-1]
    assert padded_by(dead, 1, (1, 7, 6)) == ""
    assert padded_by(turned, 0, (1, 7, 6)) == ""
    assert padded_by(rng.standard_normal((2, 1, 3, 3)), 2, (1, 7, 6)) == ""  # corners of one pixel
