"""Dense layers behind convolutions: whole, or said not to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conv_networks import EndsAfter, conv, conv_net, error_of, kinds, pool, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction import NoteKind
from divulge.reconstruction.convolutional.dense_behind import DenseBehind, seen_whole
from divulge.reconstruction.convolutional.patches import Box

SHAPE = (1, 10, 10)


def linear(inputs, outputs):
    return lambda: nn.Linear(inputs, outputs)


VICTIMS = {
    "padded": [conv(1, 3, 4, stride=2, padding=1), nn.ReLU, nn.Flatten, linear(75, 8), nn.ReLU],
    "two convolutions": [
        conv(1, 3, 4, stride=2, padding=1),
        nn.ReLU,
        conv(3, 4, 4, stride=2, padding=1),
        nn.ReLU,
        nn.Flatten,
        linear(36, 6),
        nn.ReLU,
    ],
    "averages": [conv(1, 4, 3), nn.ReLU, pool(), nn.Flatten, linear(64, 8), nn.ReLU],
}
TWO_DENSE = [*VICTIMS["padded"], linear(8, 6), nn.ReLU]


@pytest.mark.parametrize("name", VICTIMS)
def test_dense_layers_behind_are_found(name):
    shape = (1, 12, 12) if name == "two convolutions" else SHAPE
    net = conv_net(shape, *VICTIMS[name])
    result = reconstruct(GradientOracle(victim_of(net, shape)), input_shape=shape)
    assert result.complete, result.notes
    assert error_of(result, net, shape) < 1e-8
    assert error_of(result, net, shape, scale=100.0) < 1e-8
    assert kinds(result.module) == kinds(net)
    fresh = result.certificate.answers
    assert fresh >= (result.queries - fresh) / 5


def test_the_same_seed_asks_the_same():
    victim = victim_of(conv_net(SHAPE, *VICTIMS["padded"]), SHAPE)
    runs = [reconstruct(GradientOracle(victim), seed=3, input_shape=SHAPE) for _ in range(2)]
    assert runs[0].queries == runs[1].queries
    for one, two in zip(runs[0].module.parameters(), runs[1].module.parameters(), strict=True):
        assert np.array_equal(one.detach().numpy(), two.detach().numpy())


@pytest.mark.parametrize("after", [90, 200])
def test_ctrl_c_is_said_and_nothing_more_is_asked(after):
    victim = victim_of(conv_net(SHAPE, *VICTIMS["padded"], outputs=1), SHAPE)
    ending = EndsAfter(victim, after, KeyboardInterrupt())
    result = reconstruct(ending.oracle, input_shape=SHAPE)
    assert not result.complete
    assert [note.kind for note in result.notes] == [NoteKind.INTERRUPTED]
    assert ending.failed == 1


def test_a_dense_layer_that_was_not_found_whole_is_said_with_what_was_met(monkeypatch):
    monkeypatch.setattr(DenseBehind, "_searched", lambda _, search: search.find(1))
    net = conv_net(SHAPE, *VICTIMS["padded"])
    result = reconstruct(GradientOracle(victim_of(net, SHAPE)), input_shape=SHAPE)
    assert not result.complete
    assert result.hidden_sizes == (75,)
    assert "layer 2, a dense one, was not found whole: " in str(result.notes[-1])
    assert "the first layer is whole; outputs" in str(result.notes[-1])
    assert " 0 of its units" not in str(result.notes[-1])


def test_two_dense_layers_end_incomplete_or_right():
    net = conv_net(SHAPE, *TWO_DENSE)
    result = reconstruct(GradientOracle(victim_of(net, SHAPE), budget=600), input_shape=SHAPE)
    assert not result.complete or error_of(result, net, SHAPE, scale=10.0) < 1e-8


def test_more_units_than_features_end_incomplete_or_right():
    net = conv_net(SHAPE, conv(1, 3, 4, stride=2, padding=1), nn.ReLU, nn.Flatten, linear(75, 90), nn.ReLU)
    result = reconstruct(GradientOracle(victim_of(net, SHAPE), budget=500), input_shape=SHAPE)
    assert not result.complete or error_of(result, net, SHAPE, scale=10.0) < 1e-8


def test_two_equal_units_are_one():
    net = conv_net(SHAPE, *VICTIMS["padded"])
    with torch.no_grad():
        net[3].weight[1], net[3].bias[1] = net[3].weight[0], net[3].bias[0]
    result = reconstruct(GradientOracle(victim_of(net, SHAPE), budget=3000), input_shape=SHAPE)
    assert result.complete, result.notes
    assert result.hidden_sizes == (75, 7)
    assert error_of(result, net, SHAPE, scale=10.0) < 1e-8


def test_a_unit_that_is_never_on_is_left_out_or_the_copy_is_incomplete():
    net = conv_net(SHAPE, *VICTIMS["padded"])
    with torch.no_grad():
        net[3].weight[0] = -net[3].weight[0].abs()
        net[3].bias[0] = -1.0
    result = reconstruct(GradientOracle(victim_of(net, SHAPE), budget=3000), input_shape=SHAPE)
    assert not result.complete or error_of(result, net, SHAPE, scale=100.0) < 1e-8


@pytest.mark.parametrize("seed", [0, 2])
def test_a_unit_that_only_corners_of_the_box_turn_on_is_found_or_the_copy_is_incomplete(seed):
    shape = (1, 8, 8)
    parts = [conv(1, 3, 5, stride=2), nn.ReLU, nn.Flatten, linear(12, 4), nn.ReLU]
    net, rng = conv_net(shape, *parts, seed=seed), np.random.default_rng(0)
    with torch.no_grad():
        net[3].bias[0] -= 1.05 * net[:4](torch.from_numpy(rng.uniform(-1, 1, (4000, *shape))))[:, 0].max()
        corners = torch.from_numpy(np.sign(rng.standard_normal((4000, *shape))))
        assert (net[:4](corners)[:, 0] > 0).double().mean() < 0.02
        oracle = GradientOracle(victim_of(net, shape), domain=(-1.0, 1.0), budget=1500)
        result = reconstruct(oracle, input_shape=shape)
        error = (net(corners) - result.module(corners.flatten(1))).abs().max()
    assert not result.complete or error < 1e-8


def test_kinks_of_windows_are_no_reason_to_look_for_dense_layers():
    whole, windows = Box(0, 9, 0, 9), [Box(0, 5, 0, 5), Box(4, 9, 4, 9), Box(0, 5, 2, 7), Box(1, 6, 3, 8)]
    for first in (True, False):
        assert not seen_whole(windows, first)
        assert seen_whole([whole] * 6, first)
    assert seen_whole([whole] * 4 + windows, first=False)
    assert not seen_whole([whole] * 4 + windows, first=True)
