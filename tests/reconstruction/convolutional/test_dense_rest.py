"""Units of dense layers that walks do not meet."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conv_networks import conv, conv_net, error_of, pool, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.asking.stopped import Stopped
from divulge.reconstruction.convolutional.attack import ConvolutionalAttack
from divulge.reconstruction.convolutional.dense_rest import RestOfLast
from divulge.reconstruction.convolutional.dense_rows import DenseRow
from divulge.reconstruction.convolutional.dense_sides import sides_of_inner, sides_of_last
from divulge.reconstruction.convolutional.ending import ConvResult
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


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_a_unit_on_where_few_features_are_alone_is_not_left_out_without_a_word(seed):
    shape = (2, 8, 10)
    parts = [conv(2, 2, 2), nn.ReLU, pool(), nn.Flatten, lambda: nn.Linear(24, 3), nn.ReLU]
    net = conv_net(shape, *parts, seed=2)  # a unit is on at 1 in 2,000 inputs of the box
    oracle = GradientOracle(victim_of(net, shape), domain=(0.0, 1.0), budget=3000)
    result = reconstruct(oracle, seed=seed, input_shape=shape)
    corners = torch.from_numpy(np.random.default_rng(1).integers(0, 2, (4000, *shape)).astype(float))
    with torch.no_grad():
        true, found = net(corners), result.module(corners.flatten(1))
    assert not result.complete or (true - found).abs().max() < 1e-8


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_dense_units_that_usual_inputs_do_not_switch_are_no_outputs(seed):
    shape, rng = (2, 7, 7), np.random.default_rng(seed)
    net = conv_net(shape, conv(2, 2, 2, padding=1), nn.ReLU, nn.Flatten, lambda: nn.Linear(128, 3), seed=seed)
    net = nn.Sequential(*net[:4], nn.ReLU(), nn.Linear(3, 2)).double()
    with torch.no_grad():
        net[3].weight.abs_()
        for unit in range(3):
            few = rng.permutation(128)[:25]
            net[3].weight[unit, few] *= -1
        net[3].bias[:] = 0.1
        x = torch.randn(4000, *shape, dtype=torch.float64)
        assert (net[:4](x) > 0).double().mean() > 0.998
    result = reconstruct(GradientOracle(victim_of(net, shape), budget=600), seed=seed, input_shape=shape)
    few = torch.clamp(10 * torch.randn(400, *shape, dtype=torch.float64) - 25, min=0.0)
    for points in (10 * x, few):
        with torch.no_grad():
            error = (net(points) - result.module(points.flatten(1))).abs().max()
        assert not result.complete or error < 1e-8


def test_two_dense_layers_behind_averages_are_found():
    torch.manual_seed(1)
    first = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()]
    dense = [nn.Linear(100, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)]
    net = nn.Sequential(*first, *dense).double()
    shape = (1, 12, 12)
    result = reconstruct(GradientOracle(victim_of(net, shape), budget=15_000), seed=1, input_shape=shape)
    assert result.complete, result.notes
    assert result.hidden_sizes == (400, 16, 8)
    assert max(error_of(result, net, shape, scale=scale) for scale in (1.0, 30.0)) < 1e-8


def test_pieces_that_leave_the_same_are_together_the_most_first():
    rng = np.random.default_rng(0)
    one, two = rng.standard_normal((2, 40))
    left = np.zeros((9, 41))
    left[[1, 2], :-1], left[[4, 6, 7], :-1] = one, two
    left[2, :20], left[4, 30:40] = np.nan, np.nan
    groups = Rest(np.ones((9, 41)), left, np.array([1, 2, 4, 6, 7]), np.zeros(40), 1.0).alike()
    assert [group.tolist() for group in groups] == [[2, 3, 4], [0, 1]]


def rest_of(rows):
    """What is left of pieces that are at 1, all features on: rows (n, q + 1), 0 where nothing is."""
    return Rest(
        np.ones_like(rows), rows, np.flatnonzero(rows[:, :-1].any(axis=1)), np.zeros(rows.shape[1] - 1), 1.0
    )


def rest_search(left, monkeypatch):
    """The search for the rest of a layer of no known units, and what is left of its pieces always."""
    pieces = [SimpleNamespace(features=np.ones(left.shape[1] - 1), point=row) for row in left]
    walk = SimpleNamespace(known=SimpleNamespace(shape=(1, 2, 2), layers=[]), lines=None)
    search = RestOfLast(SimpleNamespace(walk=walk, depth=1, pieces=pieces, found=SimpleNamespace(rows=[])))
    monkeypatch.setattr(search, "rest", lambda: rest_of(left))
    return search


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_units_that_passed_for_one_are_parted(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    points = np.column_stack([np.abs(rng.standard_normal((600, 12))), np.ones(600)])
    units = rng.standard_normal((2, 13))
    units[:, -1] -= (points @ units.T).mean(axis=0)  # each on at about a half
    mixed = units.sum(axis=0)
    rows = [DenseRow(each / np.linalg.norm(each), np.ones(13, bool)) for each in (mixed, *units)]
    for row, each in zip(rows, (mixed, *units), strict=True):
        row.jumps = [float(np.linalg.norm(each))]
    left = sum((points @ each > 0)[:, None] * each for each in units) - (points @ mixed > 0)[:, None] * mixed
    odd = np.flatnonzero((np.abs(left[:, :-1]) > 1e-9).any(axis=1))
    rest = Rest(points, left, odd, np.zeros(12), 1.0)
    search = rest_search(left, monkeypatch)
    search.search.found.rows, search.added = [rows[0]], [rows[0]]
    monkeypatch.setattr(search, "_row", lambda *_: rows[1])
    assert search._is_unit(rest, np.arange(2))
    if len(search.added) == 1:  # the unit alone leaves less than both together did
        assert search.added[0] is search.search.found.rows[0] is rows[1]
        return
    apart = rest.without(mixed / np.linalg.norm(mixed), -np.linalg.norm(mixed))
    for row in search.added:
        apart = apart.without(row.weights, row.jumps[0])
    assert len(search.added) == len(search.search.found.rows) == 2
    assert not len(apart.odd)


def test_what_leaves_as_much_as_before_is_no_unit(monkeypatch):
    left = np.zeros((6, 13))
    left[[1, 4]] = np.random.default_rng(3).standard_normal(13)
    search = rest_search(left, monkeypatch)
    assert not search._added(rest_of(left))
    assert not search.search.found.rows


def test_where_answers_tell_no_slopes_no_more_are_asked_for(monkeypatch):
    left = np.zeros((6, 13))
    left[[1, 4], :6], left[[2, 5], 6:] = 1.0, 1.0
    search, asked = rest_search(left, monkeypatch), []
    monkeypatch.setattr(search, "_added", lambda _: False)
    monkeypatch.setattr(search, "_asked", lambda points: asked.append(points) or [])
    monkeypatch.setattr("divulge.reconstruction.convolutional.dense_rest.few_alone", lambda *_: None)
    search.find()
    assert len(asked) == 1


def test_a_layer_without_rows_has_no_sides():
    search = SimpleNamespace(found=SimpleNamespace(rows=[]), pieces=[])
    assert sides_of_last(search) is None
    assert sides_of_inner(search) is None


def attack_on(dense_layers, monkeypatch):
    """An attack that takes the second of two known layers for a dense one."""
    attack = ConvolutionalAttack.__new__(ConvolutionalAttack)
    attack.walk = SimpleNamespace(known=SimpleNamespace(layers=["first", "second"]))
    attack.whole, attack.dense, attack.missed = 2, None, None
    monkeypatch.setattr(ConvolutionalAttack, "_dense_layers", dense_layers)
    return attack


def test_a_layer_taken_for_a_dense_one_is_not_called_whole_before_it_is(monkeypatch):
    def spent(_):
        raise Stopped

    attack = attack_on(spent, monkeypatch)
    with pytest.raises(Stopped):
        attack._dense_instead(1)
    assert attack.whole == 1


def test_a_layer_taken_for_a_dense_one_in_vain_leaves_nothing_behind(monkeypatch):
    def in_vain(attack):
        attack.known.layers.append("dense")
        attack.dense, attack.missed, attack.whole = "search", "copy", 3
        return ConvResult(None, [0], open="not found whole")

    attack = attack_on(in_vain, monkeypatch)
    assert attack._dense_instead(1) is None
    assert attack.known.layers == ["first", "second"]
    assert (attack.whole, attack.dense, attack.missed) == (2, None, None)
