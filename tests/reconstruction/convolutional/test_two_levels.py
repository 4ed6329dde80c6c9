"""Filters that show at two levels: units that are cut off above, never a wrong copy."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conv_networks import conv, conv_net, error_of, pool, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.convolutional import attack
from divulge.reconstruction.convolutional.attack import ConvolutionalAttack
from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.two_levels import has_twins, has_two_levels
from divulge.reconstruction.convolutional.walk import Kink
from divulge.reconstruction.settings import CONV_ATTACK
from divulge.reconstruction.settings.tolerances import Tolerances

SHAPE = (1, 8, 8)


def layer_of(channels=3):
    rng = np.random.default_rng(0)
    layer = ConvLayer(np.zeros((0, 1, 3, 3)), np.zeros(0))
    for _ in range(channels):
        layer.add(rng.standard_normal((1, 3, 3)), rng.standard_normal())
    return layer


def kink_at(layer, channel, level, corner, rng):
    """A kink where a channel's window at a corner is at a level."""
    rows, columns = slice(corner[0], corner[0] + 3), slice(corner[1], corner[1] + 3)
    jump, point = np.zeros(SHAPE), rng.standard_normal(SHAPE)
    jump[:, rows, columns] = layer.filters[channel]
    off = level - layer.offsets[channel] - (jump * point).sum()
    point += off * jump / (jump**2).sum()
    return Kink(point.ravel(), rng.standard_normal() * jump.ravel(), 1e-16, np.stack([point.ravel()] * 2))


def kinks_at(layer, channel, levels, seed, wanted=lambda z, row, column: True):
    """Kinks at levels, at any corners away from the edges, where what is beside them is as wanted."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < len(levels):
        corner = tuple(rng.integers(1, 5, 2))
        kink = kink_at(layer, channel, levels[len(found)], corner, rng)
        if wanted(layer.before(torch.from_numpy(kink.point).reshape(1, *SHAPE))[0].numpy(), *corner):
            found.append(kink)
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("levels", "found"), [([2.5], True), ([2.5, 1.5, -0.7, 4.1], False), ([0.0], False)])
def test_a_filter_at_one_level_that_is_not_0(levels, found, seed):
    layer = layer_of()
    kinks = kinks_at(layer, 1, np.resize(levels, 16) + (0 if len(levels) == 1 else np.arange(16)), seed)
    assert has_two_levels(layer, kinks, SHAPE, 1e-6) is found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ahead", [(0, 1), (1, 0)])
def test_a_unit_of_the_next_layer_that_sees_one_feature_alone_is_not_cut_off(ahead, seed):
    """Over two features in a row it jumps by one filter at one level, where the other is off."""
    layer = layer_of()

    def alone(z, row, column):
        return z[1, row + ahead[0], column + ahead[1]] < 0 and z[0, row, column] < 0 and z[2, row, column] < 0

    assert not has_two_levels(layer, kinks_at(layer, 1, [2.5] * 40, seed, alone), SHAPE, 1e-6)


def test_a_channel_with_the_same_filter_is_no_second_level():
    layer = layer_of()
    kinks = kinks_at(layer, 1, [2.5] * 16, 0)
    assert has_two_levels(layer, kinks, SHAPE, 1e-6)
    layer.add(layer.filters[1], float(layer.offsets[1] - 2.5))
    assert not has_two_levels(layer, kinks, SHAPE, 1e-6)


def test_twins_have_one_filter():
    layer = layer_of()
    assert not has_twins(layer, 1e-6)
    layer.add(-2 * layer.filters[0], 3.0)
    assert has_twins(layer, 1e-6)


def test_equal_filters_do_not_end_the_search_before_units_are_followed():
    rounds = []
    layer = layer_of()
    layer.add(layer.filters[0], 3.0)
    state = SimpleNamespace(
        first=SimpleNamespace(layer=layer, loses_by_doubt=lambda: False),
        walk=SimpleNamespace(tolerances=Tolerances.of(1e-16)),
        _has_twins=lambda: True,
        _sides=lambda kinks, round_: rounds.append(round_),
        _is_last=lambda: False,
        _dense_behind=lambda kinks: None,
        _more_kinks=lambda depth: [],
    )
    assert isinstance(ConvolutionalAttack._next_layer(state, 1, []), str)
    assert rounds == list(range(CONV_ATTACK.rounds))


@pytest.mark.parametrize(("seed", "domain"), [(1, None), (2, None), (1, (-3.0, 3.0))])
def test_a_network_of_units_that_are_cut_off_on_both_sides_is_whole_or_said_not_to_be(
    monkeypatch, seed, domain
):
    monkeypatch.setattr(attack, "CONV_ATTACK", replace(CONV_ATTACK, rounds=CONV_ATTACK.followed))
    shape = (1, 11, 11)
    net = conv_net(
        shape, conv(1, 2, 3), lambda: nn.Hardtanh(-0.5, 0.5), pool(), conv(2, 3, 3), nn.ReLU, seed=seed
    )
    result = reconstruct(GradientOracle(victim_of(net, shape), domain=domain), seed=seed, input_shape=shape)
    if result.complete:
        assert max(error_of(result, net, shape, scale) for scale in (0.3, 1.0, 3.0)) < 1e-8
    else:
        assert result.notes


def test_a_copy_that_is_nearly_whole_is_kept_where_units_seem_cut_off():
    nearly = SimpleNamespace(network=None, open="units that are on nowhere")
    last = iter([True] + [False] * len(CONV_ATTACK.searches))
    state = SimpleNamespace(
        _walk_for=lambda layer, reach, quiet: None,
        _is_last=lambda: next(last),
        _learned_from_misses=lambda layer: False,
        _outputs=lambda: nearly,
        _turn_back=lambda: None,
        _is_cut_off=lambda: True,
        _incomplete=lambda why: why,
    )
    frame = SimpleNamespace(whole=True)
    layer = SimpleNamespace(layer=layer_of(), frame=frame, find_ends=lambda: None)
    assert ConvolutionalAttack._completed(state, layer) is nearly
