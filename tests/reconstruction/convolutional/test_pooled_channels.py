"""Max pooling behind a second convolution: its kinks show a filter less itself, a place further."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conv_networks import conv, conv_net, error_of, kinds, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.convolutional.pooled_windows import moved_by


def filter_less_itself(rng, shape, down, across):
    """A filter (C, rows, columns) in a larger patch, less the same one moved."""
    channels, rows, columns = shape
    weights = rng.standard_normal(shape)
    patch = np.zeros((channels, rows + down, columns + abs(across)))
    left = max(-across, 0)
    patch[:, :rows, left : left + columns] += weights
    patch[:, down : down + rows, left + across : left + across + columns] -= weights
    return patch


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "move", [(0, 1), (1, 0), (1, 1), (1, -1), (2, 1), (2, 0), (0, 2), (2, -2), (0, 3), (3, 3)]
)
def test_the_move_of_a_pair_is_told_from_a_part_of_its_entries(move, seed):
    rng = np.random.default_rng(seed)
    patch = filter_less_itself(rng, (3, 3, 4), *move)
    told = rng.uniform(size=patch.shape) < 0.9
    assert moved_by(patch, told, 1e-8) == move


def test_a_filter_alone_is_no_pair():
    rng = np.random.default_rng(1)
    patch = rng.standard_normal((3, 3, 4))
    told = np.ones(patch.shape, bool)
    assert moved_by(patch, told, 1e-8) == (0, 0)
    patch[1:] = 0.0  # of a depthwise one the others are 0
    assert moved_by(patch, told, 1e-8) == (0, 0)
    assert moved_by(patch, np.zeros_like(told), 1e-8) == (0, 0)


@pytest.mark.parametrize("axis", [2, 3])
def test_filters_that_add_up_to_0_are_no_pairs(axis):
    shape = (1, 9, 9)
    net = conv_net(shape, conv(1, 3, 3), nn.ReLU, conv(3, 4, 3), nn.ReLU)
    with torch.no_grad():
        net[2].weight -= net[2].weight.mean(dim=axis, keepdim=True)
    result = reconstruct(GradientOracle(victim_of(net, shape), budget=900), input_shape=shape)
    assert result.complete, result.notes
    assert error_of(result, net, shape) < 1e-8


def test_two_pooled_convolutions_and_a_dense_layer_are_found():
    shape = (1, 14, 14)
    pooled = [nn.ReLU, lambda: nn.MaxPool2d(2)]
    parts = [conv(1, 4, 3), *pooled, conv(4, 6, 3), *pooled, nn.Flatten, lambda: nn.Linear(24, 16), nn.ReLU]
    net = conv_net(shape, *parts, outputs=3)
    result = reconstruct(GradientOracle(victim_of(net, shape), budget=4000), input_shape=shape)
    assert result.complete, result.notes
    assert kinds(result.module) == kinds(net)
    assert max(error_of(result, net, shape, scale=scale) for scale in (1.0, 30.0)) < 1e-8
