"""The whole attack on values alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_victims import function_error, random_network
from torch import nn

from divulge import CallableOracle, NotPiecewiseLinear, ValueOracle, Victim, compare, reconstruct
from divulge.reconstruction.notes import NoteKind

POINTS = np.random.default_rng(99).normal(size=(2000, 60))


@pytest.mark.parametrize(
    ("sizes", "values"),
    [((784, 32, 1), 2**15.6), ((60, 30, 1), 3500), ((20, 16, 1), 900), ((60, 20, 3), 4000), ((1, 5, 1), 400)],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_recovers_every_parameter(make_victim, sizes, values, seed):
    victim = make_victim(*sizes, seed=seed)
    oracle = ValueOracle(victim)
    result = reconstruct(oracle, seed=seed)
    found = compare(result.module, victim)
    assert result.complete, result.notes
    assert result.hidden_units == sizes[1]
    assert found.max_parameter_error < 1e-9
    assert found.max_output_error < 1e-9 * found.output_range
    assert result.certificate.error < 1e-9
    assert result.queries == oracle.ledger.total
    assert result.queries - result.certificate.answers <= values
    assert result.certificate.answers <= max(result.queries / 8, 80 * -(-2 * sizes[1] // sizes[0]))
    assert result.kind == "value"
    assert result.queries_by_kind == {"value": result.queries}


def test_the_same_seed_asks_the_same_queries(make_victim):
    victim = make_victim(40, 15)
    one, two = (reconstruct(ValueOracle(victim), seed=7) for _ in range(2))
    assert one.queries == two.queries
    for ours, theirs in zip(one.module.parameters(), two.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_without_biases_every_hyperplane_meets_the_others(make_victim):
    victim = make_victim(60, 20, 2, bias=False)
    result = reconstruct(ValueOracle(victim))
    assert result.complete
    assert compare(result.module, victim).max_parameter_error < 1e-9


@pytest.mark.parametrize("sizes", [(20, 30, 1), (5, 8, 2), (2, 6, 1)])
@pytest.mark.parametrize("seed", [0, 3])
def test_more_units_than_inputs(make_victim, sizes, seed):
    victim = make_victim(*sizes, seed=seed)
    result = reconstruct(ValueOracle(victim), seed=seed)
    assert result.hidden_units == sizes[1]
    assert function_error(result.module, victim, POINTS[:, : sizes[0]]) < 1e-9


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_a_box(make_victim, seed):
    victim = make_victim(60, 30, 2, seed=seed)
    result = reconstruct(ValueOracle(victim, domain=(0, 1)), seed=seed)
    assert result.complete, result.notes
    inside = np.random.default_rng(5).uniform(size=(2000, 60))
    assert function_error(result.module, victim, inside) < 1e-8


def test_a_linear_victim_and_a_constant_one():
    for network in (nn.Linear(20, 3).double(), nn.Linear(20, 1).double()):
        if network.out_features == 1:
            nn.init.zeros_(network.weight)
        victim = Victim(nn.Sequential(network), input_shape=(20,))
        result = reconstruct(ValueOracle(victim))
        assert result.hidden_units == 0
        points = torch.from_numpy(POINTS[:, :20])
        assert torch.allclose(result.module(points), victim.module(points), atol=1e-11)


def test_parallel_and_dead_units():
    network = random_network(60, 20)
    with torch.no_grad():
        network[0].weight[3] = 2 * network[0].weight[4]  # parallel, with another offset
        network[0].weight[5] = 0  # constant
        network[2].weight[0, 7] = 0  # not seen
    victim = Victim(network, input_shape=(60,))
    result = reconstruct(ValueOracle(victim))
    assert result.hidden_units == 18
    assert result.complete
    assert function_error(result.module, victim, POINTS) < 1e-9


def test_a_budget_keeps_what_was_found(make_victim):
    victim = make_victim(60, 20)
    result = reconstruct(ValueOracle(victim, budget=1000))
    assert not result.complete
    assert result.queries <= 1000
    assert 0 < result.hidden_units < 20
    assert result.certificate.error == np.inf
    assert "budget" in " ".join(map(str, result.notes))


@pytest.mark.parametrize("budget", [0, 5, 40, 100])
def test_a_budget_for_nothing(make_victim, budget):
    result = reconstruct(ValueOracle(make_victim(60, 20), budget=budget))
    assert not result.complete
    assert result.hidden_units == 0
    assert result.queries <= budget


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), RuntimeError("gone"), float("nan")])
def test_whatever_ends_the_conversation_keeps_what_was_found(make_victim, failure):
    victim = make_victim(60, 20)
    asked = 0

    def answer(points, output):
        nonlocal asked
        asked += len(points)
        values = victim.values(points)[:, output]
        if asked > 1000:
            if isinstance(failure, BaseException):
                raise failure
            values[0] = failure
        return values, None

    result = reconstruct(CallableOracle(answer, 60, gradients=False))
    assert not result.complete
    assert any(note.kind in (NoteKind.STOPPED, NoteKind.INTERRUPTED) for note in result.notes)


def test_a_smooth_victim_is_refused():
    victim = Victim(nn.Sequential(nn.Linear(10, 8), nn.GELU(), nn.Linear(8, 1)).double())
    with pytest.raises(NotPiecewiseLinear, match="values bend"):
        reconstruct(ValueOracle(victim))


def test_progress_counts_units_and_queries(make_victim):
    told = []
    result = reconstruct(ValueOracle(make_victim(30, 20)), progress=told.append)
    assert [p.queries for p in told] == sorted(p.queries for p in told)
    assert told[-1].units == result.hidden_units == 20
    assert told[-1].copy()(torch.zeros(1, 30, dtype=torch.float64)).shape == (1, 1)
