"""Networks of convolutions from their oracle, whole or said not to be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conv_networks import EndsAfter, conv, conv_net, error_of, filter_error, kinds, pool, victim_of
from torch import nn

from divulge import CallableOracle, GradientOracle, JacobianOracle, Victim, reconstruct
from divulge.reconstruction import NoteKind
from divulge.reconstruction.convolutional import first_layer
from divulge.reconstruction.convolutional.walk import Walk
from divulge.reconstruction.settings import CONV_FIRST

VICTIMS = {
    "averages": ((1, 14, 14), [conv(1, 4, 5), nn.ReLU, pool(), conv(4, 6, 3), nn.ReLU]),
    "stride": ((1, 16, 16), [conv(1, 4, 5, stride=2), nn.ReLU, conv(4, 5, 3), nn.ReLU]),
    "second stride": ((1, 15, 15), [conv(1, 4, 5), nn.ReLU, conv(4, 5, 3, stride=2), nn.ReLU]),
    "padding": ((1, 12, 12), [conv(1, 3, 5, padding=2), nn.ReLU, pool(), conv(3, 5, 3), nn.ReLU]),
    "colours": ((3, 12, 12), [conv(3, 4, 5), nn.ReLU, pool(), conv(4, 5, 3), nn.ReLU]),
    "no pooling": ((1, 12, 12), [conv(1, 4, 5), nn.ReLU, conv(4, 5, 3), nn.ReLU]),
    "oblong": ((1, 13, 15), [conv(1, 4, (3, 5)), nn.ReLU, conv(4, 5, 3), nn.ReLU]),
    "dense behind": (
        (1, 12, 12),
        [conv(1, 4, 5), nn.ReLU, pool(), nn.Flatten, lambda: nn.Linear(64, 6), nn.ReLU],
    ),
    "one layer": ((1, 10, 10), [conv(1, 4, 3), nn.ReLU]),
    "one layer of colours": ((2, 9, 9), [conv(2, 4, 3, padding=1), nn.ReLU]),
}


@pytest.mark.parametrize("name", VICTIMS)
def test_the_network_is_found(name):
    shape, parts = VICTIMS[name]
    net = conv_net(shape, *parts)
    result = reconstruct(GradientOracle(victim_of(net, shape)), input_shape=shape)
    assert result.complete, result.notes
    assert result.certificate.error < 1e-7
    assert filter_error(result, net) < 1e-8
    assert error_of(result, net, shape) < 1e-8
    assert error_of(result, net, shape, scale=10.0) < 1e-8
    assert kinds(result.module) == kinds(net)


@pytest.mark.parametrize("seed", range(3))
def test_other_victims_and_seeds(seed):
    shape = (1, 13, 13)
    net = conv_net(shape, conv(1, 3, 4), nn.ReLU, pool(), conv(3, 5, 3), nn.ReLU, seed=seed + 10)
    result = reconstruct(GradientOracle(victim_of(net, shape)), seed=seed, input_shape=shape)
    assert result.complete, result.notes
    assert error_of(result, net, shape, scale=10.0) < 1e-8
    assert result.module(net[0].weight.new_zeros(2, 1, 13, 13)).shape == (2, 2)  # images are taken too


def test_all_outputs_cost_nothing_where_answers_hold_them():
    shape, parts = VICTIMS["averages"]
    net = conv_net(shape, *parts, outputs=5)
    one = reconstruct(GradientOracle(victim_of(net, shape)), input_shape=shape)
    every = reconstruct(JacobianOracle(victim_of(net, shape)), input_shape=shape)
    assert one.complete
    assert every.complete
    assert every.queries <= one.queries
    assert error_of(every, net, shape) < 1e-8


def test_the_shape_may_be_told_by_who_asks():
    shape, parts = VICTIMS["averages"]
    net = conv_net(shape, *parts, outputs=1)
    victim = victim_of(net, shape)
    oracle = CallableOracle(lambda points: victim.values_and_gradients(points, 0), victim.input_size)
    result = reconstruct(oracle, input_shape=shape)
    assert result.complete, result.notes
    assert error_of(result, net, shape) < 1e-8


@pytest.mark.parametrize("shape", [(14, 13), (1, 14, 15), (0, 14, 14)])
def test_a_shape_that_does_not_fit_is_refused(shape):
    oracle = CallableOracle(lambda points: (points.sum(1), np.ones_like(points)), 196)
    with pytest.raises(ValueError, match="input_shape"):
        reconstruct(oracle, input_shape=shape)


def test_a_dense_network_of_images_is_found_to_be_dense():
    shape = (1, 7, 7)
    net = conv_net(shape, nn.Flatten, lambda: nn.Linear(49, 8), nn.ReLU)
    result = reconstruct(GradientOracle(Victim(net, input_shape=shape)), input_shape=shape)
    assert result.complete, result.notes
    assert result.hidden_sizes == (8,)
    assert kinds(result.module) == ["Linear", "ReLU", "Linear"]


def test_the_same_seed_asks_the_same():
    shape, parts = VICTIMS["no pooling"]
    victim = victim_of(conv_net(shape, *parts), shape)
    runs = [reconstruct(GradientOracle(victim), seed=3, input_shape=shape) for _ in range(2)]
    assert runs[0].queries == runs[1].queries
    for one, two in zip(runs[0].module.parameters(), runs[1].module.parameters(), strict=True):
        assert np.array_equal(one.detach().numpy(), two.detach().numpy())


def test_a_budget_ends_it_with_a_note():
    shape, parts = VICTIMS["averages"]
    oracle = GradientOracle(victim_of(conv_net(shape, *parts), shape), budget=60)
    result = reconstruct(oracle, input_shape=shape)
    assert not result.complete
    assert [note.kind for note in result.notes] == [NoteKind.STOPPED]
    assert oracle.ledger.total <= 60


@pytest.mark.parametrize("mode", ["circular", "reflect"])
def test_padding_of_another_kind_is_never_called_complete(mode):
    shape = (1, 10, 10)
    net = conv_net(shape, conv(1, 3, 3, padding=1, padding_mode=mode), nn.ReLU)
    result = reconstruct(GradientOracle(victim_of(net, shape), budget=3000), input_shape=shape)
    assert not result.complete or error_of(result, net, shape, scale=10.0) < 1e-8


def test_filters_that_are_never_seen_alone_are_said_to_be_missing(monkeypatch):
    monkeypatch.setattr(Walk, "certified", lambda *_: False)
    monkeypatch.setattr(first_layer.FirstLayer, "_fits", lambda *_: False)
    monkeypatch.setattr(first_layer, "CONV_FIRST", replace(CONV_FIRST, most_steps=30))
    shape = (1, 7, 7)
    victim = victim_of(conv_net(shape, conv(1, 2, 3), nn.ReLU, outputs=1), shape)
    result = reconstruct(GradientOracle(victim), input_shape=shape)
    assert not result.complete
    assert [note.kind for note in result.notes] == [NoteKind.UNEXPLAINED]


@pytest.mark.parametrize("after", [0, 5, 40, 150])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ConnectionError("gone")])
def test_whatever_ends_it_is_said_and_nothing_more_is_asked(after, failure):
    shape, parts = VICTIMS["averages"]
    victim = victim_of(conv_net(shape, *parts, outputs=1), shape)
    ending = EndsAfter(victim, after, failure)
    result = reconstruct(ending.oracle, input_shape=shape)
    kind = NoteKind.INTERRUPTED if isinstance(failure, KeyboardInterrupt) else NoteKind.STOPPED
    assert not result.complete
    assert [note.kind for note in result.notes] == [kind]
    assert ending.failed == 1
