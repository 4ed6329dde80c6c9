"""Convolutional or dense: told by the first jumps, with nothing asked but the shape that the oracle has."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conv_networks import conv, conv_net, error_of, kinds, pool, victim_of
from torch import nn

from divulge import CallableOracle, GradientOracle, Victim, reconstruct
from divulge.oracles.defences import Rounded
from divulge.oracles.replay import ReplayOracle

IMAGE = (1, 12, 12)


def convolutional():
    return conv_net(IMAGE, conv(1, 3, 5), nn.ReLU, pool(), conv(3, 4, 3), nn.ReLU)


def dense(shape, hidden=6):
    size = int(np.prod(shape))
    return conv_net(shape, nn.Flatten, lambda: nn.Linear(size, hidden), nn.ReLU)


def test_a_victim_of_images_is_taken_apart_without_a_word():
    net = convolutional()
    result = reconstruct(GradientOracle(victim_of(net, IMAGE)))
    assert result.complete, result.notes
    assert kinds(result.module) == kinds(net)
    assert error_of(result, net, IMAGE) < 1e-8


def test_every_oracle_that_asks_another_has_its_shape(tmp_path):
    oracle = GradientOracle(victim_of(convolutional(), IMAGE))
    assert oracle.input_shape == IMAGE
    with ReplayOracle(oracle, tmp_path / "answers", seed=0) as replayed:
        assert replayed.input_shape == IMAGE
    assert Rounded(oracle, decimals=12).input_shape == IMAGE
    assert CallableOracle(lambda x: (x.sum(1), np.ones_like(x)), 4).input_shape == ()


@pytest.mark.parametrize("border", [0, 2])
def test_a_dense_network_of_images_loses_no_answer(border):
    shape = (1, 9, 9)
    net = dense(shape)
    with torch.no_grad():
        seen = torch.zeros(9, 9)
        seen[border : 9 - border, border : 9 - border] = 1.0
        net[1].weight *= seen.flatten()
    victim = Victim(net, shape)
    asked: list[bytes] = []

    def answer(points):
        asked.extend(point.tobytes() for point in points)
        return victim.values_and_gradients(points, 0)

    plain = reconstruct(CallableOracle(answer, 81))
    queries = len(asked)
    asked.clear()
    image = reconstruct(CallableOracle(answer, 81), input_shape=shape)
    assert plain.complete
    assert image.complete, image.notes
    assert kinds(image.module) == ["Linear", "ReLU", "Linear"]
    assert len(asked) == len(set(asked))
    assert len(asked) <= queries + 25


@pytest.mark.parametrize("units", [0, 1])
def test_models_of_images_with_hardly_a_kink_are_soon_given_up(units):
    layers = [lambda: nn.Linear(64, 3)] if units == 0 else [lambda: nn.Linear(64, 1), nn.ReLU]
    net = conv_net((1, 8, 8), nn.Flatten, *layers)
    plain = reconstruct(GradientOracle(victim_of(net, (1, 8, 8))), input_shape=(64,))
    image = reconstruct(GradientOracle(victim_of(net, (1, 8, 8))))
    assert plain.complete
    assert image.complete, image.notes
    assert image.queries <= plain.queries + 100


def test_a_flat_shape_leaves_convolutions_out():
    oracle = GradientOracle(victim_of(convolutional(), IMAGE), budget=40)
    result = reconstruct(oracle, input_shape=(144,))
    assert not result.complete
    assert "convolutions" not in str(result.notes)
