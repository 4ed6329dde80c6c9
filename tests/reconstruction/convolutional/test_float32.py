"""Victims of single precision: whole copies, no side taken for certain where it is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conv_networks import conv, conv_net, error_of, filter_error, pool, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.convolutional.judge import certain
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.settings import Tolerances


@pytest.mark.parametrize(("outputs", "seed"), [(1, 1), (2, 2)])
def test_two_convolutions_are_found(outputs, seed):
    shape = (1, 14, 14)
    parts = conv(1, 4, 5), nn.ReLU, pool(), conv(4, 8, 3), nn.ReLU
    net = conv_net(shape, *parts, outputs=outputs, seed=seed, dtype=torch.float32)
    result = reconstruct(GradientOracle(victim_of(net, shape)), seed=seed, input_shape=shape)
    assert result.complete, result.notes
    assert filter_error(result, net) < 1e-4
    assert max(error_of(result, net, shape, scale) for scale in (0.3, 1.0, 30.0)) < 1e-3
    assert result.hidden_sizes == (400, 72)


def test_a_side_is_certain_far_from_the_hyperplane():
    layer = ConvLayer(np.array([[[[1.0]]], [[[0.6]]]]), np.array([0.0, 0.5]))
    prefix = Prefix((1, 1, 2), [layer])
    points = np.array([[1.0, 2.0], [1e-5, 2.0], [-0.5 / 0.6, 2.0], [-0.8, 2.0]])
    assert certain(prefix, points, Tolerances.of(1.2e-7)).tolist() == [True, False, False, True]
    assert certain(prefix, points, Tolerances.of(2e-16)).all()
