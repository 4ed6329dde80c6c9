"""Convolutions from all outputs at once and from values alone, and copies that were not ended."""

import numpy as np
import pytest
import torch
from conv_networks import conv, conv_net, pool, victim_of
from torch import nn

from divulge import GradientOracle, JacobianOracle, ValueOracle, compare, reconstruct
from divulge.reconstruction import NoteKind

SMALL = (1, 8, 8)


def small(outputs=5, seed=0):
    return victim_of(conv_net(SMALL, conv(1, 3, 3), nn.ReLU, outputs=outputs, seed=seed), SMALL)


def compared(result, victim):
    return compare(result, victim, np.random.default_rng(0).standard_normal((50, victim.input_size)))


def test_all_outputs_at_once_take_fewer_queries():
    victim = small()
    one, every = (reconstruct(kind(victim)) for kind in (GradientOracle, JacobianOracle))
    assert one.complete
    assert every.complete
    assert compared(every, victim).max_parameter_error < 1e-12
    assert every.queries + 4 < one.queries
    assert one.numbers_told == 65 * one.queries
    assert every.numbers_told == 5 * 65 * every.queries
    assert one.numbers_per_parameter == pytest.approx(one.numbers_told / one.parameters)
    assert "numbers told for each parameter" in one._repr_html_()


def test_a_jacobian_budget_is_kept_to():
    oracle = JacobianOracle(small(), budget=30)
    result = reconstruct(oracle)
    assert not result.complete
    assert result.queries == oracle.ledger.total <= 30


def test_a_dense_image_model_from_all_outputs_is_found_as_before():
    victim = victim_of(conv_net(SMALL, nn.Flatten, lambda: nn.Linear(64, 6), nn.ReLU), SMALL)
    result = reconstruct(JacobianOracle(victim))
    assert result.complete
    assert result.hidden_sizes == (6,)


@pytest.mark.parametrize(
    "parts",
    [
        [conv(1, 3, 3), nn.ReLU],
        [conv(1, 4, 5), nn.ReLU, pool(), conv(4, 6, 3), nn.ReLU],
    ],
)
def test_values_alone_tell_convolutions(parts):
    shape = (1, 8, 8) if len(parts) == 2 else (1, 14, 14)
    victim = victim_of(conv_net(shape, *parts, outputs=1), shape)
    result = reconstruct(ValueOracle(victim, budget=100_000), input_shape=shape)
    assert result.complete
    found = compared(result, victim)
    assert found.notes == ()
    assert found.max_parameter_error < 1e-6
    assert max(each.filter_error for each in found.filters) < 1e-7
    assert result.numbers_told == result.queries


def test_values_look_for_convolutions_where_images_are_named():
    victim = victim_of(conv_net(SMALL, nn.Flatten, lambda: nn.Linear(64, 3), nn.ReLU, outputs=1), SMALL)
    plain, named = (reconstruct(ValueOracle(victim), input_shape=shape) for shape in (None, SMALL))
    assert plain.complete
    assert named.complete
    assert plain.queries < named.queries


def test_layers_that_are_whole_are_returned_where_the_search_ends():
    shape = (1, 14, 14)
    net = conv_net(shape, conv(1, 4, 5), nn.ReLU, pool(), conv(4, 8, 3), nn.ReLU, outputs=2)
    victim = victim_of(net, shape)
    whole = reconstruct(GradientOracle(victim))
    assert whole.complete
    budget = whole.queries_by_layer[0] + 30
    result = reconstruct(GradientOracle(victim, budget=budget))
    assert not result.complete
    assert result.hidden_sizes == (400,)
    assert not result.certificate.answers
    assert any("first layer is whole" in str(note) for note in result.notes)
    assert any(note.kind is NoteKind.STOPPED for note in result.notes)
    found = compared(result, victim)
    assert len(found.layers) <= 1
    assert found.max_parameter_error is None
    nothing = reconstruct(GradientOracle(victim, budget=5))
    assert nothing.hidden_sizes == ()


@pytest.mark.parametrize("parts", [[nn.Flatten, lambda: nn.Linear(64, 6), nn.ReLU], [conv(1, 3, 3), nn.ReLU]])
def test_all_outputs_at_once_go_on_from_a_checkpoint(parts, tmp_path):
    victim = victim_of(conv_net(SMALL, *parts, outputs=4), SMALL)
    unbroken = reconstruct(JacobianOracle(victim))
    assert unbroken.complete
    path = tmp_path / "answers"
    half = reconstruct(JacobianOracle(victim, budget=unbroken.queries // 2), checkpoint=path)
    assert not half.complete
    assert half.queries <= unbroken.queries // 2
    result = reconstruct(JacobianOracle(victim), checkpoint=path)
    assert result.complete
    assert result.replayed == half.queries
    assert (result.queries, result.numbers_told) == (unbroken.queries, unbroken.numbers_told)
    points = torch.randn(20, 64, dtype=torch.float64)
    assert torch.allclose(result.module(points), unbroken.module(points), rtol=0, atol=1e-12)
