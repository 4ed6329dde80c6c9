"""Many victims at once: the same copies as one by one, whichever way each took."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from divulge import CallableOracle, GradientOracle, Victim, compare, reconstruct_many, set_threads, threads


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_small_victims(make_victim, dtype):
    victims = [make_victim(20, 16, seed=seed, dtype=dtype) for seed in range(10)]
    results = reconstruct_many(victims, seed=3)
    assert len(results) == 10
    allowed = 1e-3 if dtype == torch.float32 else 1e-8
    for victim, result in zip(victims, results, strict=True):
        found = compare(result, victim)
        assert result.complete, result.notes
        assert result.hidden_units == 16
        assert found.max_output_error < allowed * found.output_range
        assert result.module[0].weight.dtype == dtype


def test_the_others_go_one_by_one(make_victim):
    victim = make_victim(20, 10)
    oracles = [
        make_victim(20, 10, 3),
        Victim(victim.module, (20,), lower=False),
        GradientOracle(victim, domain=(-50.0, 50.0)),
        CallableOracle(lambda points, output: victim.values_and_gradients(points, output), 20),
        make_victim(8, 12),  # more units than inputs
    ]
    results = reconstruct_many(oracles)
    assert [result.hidden_units for result in results] == [10, 10, 10, 10, 12]
    assert all(result.complete for result in results[:4])


def test_ledgers_count_and_budgets_hold(make_victim):
    rich, poor = (GradientOracle(make_victim(20, 16), budget=budget) for budget in (1000, 30))
    results = reconstruct_many([rich, poor])
    assert results[0].complete
    assert rich.ledger.total == results[0].queries == sum(results[0].queries_by_kind.values())
    assert not results[1].complete
    assert poor.ledger.total == 30


def test_threads_do_not_change_anything(make_victim):
    victims = [make_victim(12, 8, seed=seed) for seed in range(8)]
    before, runs = threads(), []
    try:
        for number in (1, 3):
            set_threads(number)
            results = reconstruct_many(victims, seed=1)
            runs.append([p.detach().numpy() for result in results for p in result.module.parameters()])
    finally:
        set_threads(before)
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_none_and_nonsense():
    assert reconstruct_many([]) == []
    with pytest.raises(TypeError, match="expected victims or oracles, got Linear"):
        reconstruct_many([nn.Linear(2, 1)])
