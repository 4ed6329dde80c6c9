"""Networks taken apart over HTTP, from a server that behaves and from one that does not."""

import numpy as np
import pytest
import torch
from http_victim import HttpVictim, serving

from divulge import CallableOracle, Victim, reconstruct
from divulge.training import mlp

INPUTS, UNITS = 64, 16


@pytest.fixture(scope="module")
def victim():
    return Victim(mlp((INPUTS,), [UNITS], 1, seed=3, dtype=torch.float64))


def difference(result, victim):
    x = torch.randn(200, INPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return float((result.module(x)[:, 0] - torch.from_numpy(victim.values(x.numpy())[:, 0])).abs().max())


def test_sixteen_units_fall_over_http_within_130_queries(victim):
    served = HttpVictim(victim)
    with serving(served) as ask:
        oracle = CallableOracle(ask, INPUTS, batch=16, price=0.01)
        result = reconstruct(oracle)
    assert result.complete
    assert result.hidden_sizes == (UNITS,)
    assert sum(served.asked.values()) == oracle.ledger.total <= 130
    assert oracle.ledger.cost == pytest.approx(0.01 * oracle.ledger.total)
    assert difference(result, victim) < 1e-9


def test_an_unfriendly_server_is_taken_apart_and_nothing_asked_twice(victim, tmp_path):
    """It turns every third call away, tells six digits, and dies in the middle of the first attempt."""
    served = HttpVictim(victim, turns_away=3, digits=6, dies_at=12)
    options = {"batch": 4, "retries": 2, "backoff": 0.0, "cache": tmp_path / "answers"}
    with serving(served) as ask:
        cut = reconstruct(CallableOracle(ask, INPUTS, **options))
        known = len(served.asked)
        assert not cut.complete
        assert "the oracle failed" in str(cut.notes)
        assert known >= 8
        served.revived = True
        oracle = CallableOracle(ask, INPUTS, **options)
        result = reconstruct(oracle)
    assert result.complete
    assert result.hidden_sizes == (UNITS,)
    assert served.repeated == 0
    assert oracle.ledger.total == len(served.asked) - known
    assert difference(result, victim) < 1e-4


def test_the_same_copy_comes_of_the_cache_alone(victim, tmp_path):
    served = HttpVictim(victim)
    with serving(served) as ask:
        first = reconstruct(CallableOracle(ask, INPUTS, cache=tmp_path / "answers"))
    after = CallableOracle(ask, INPUTS, cache=tmp_path / "answers")  # nobody answers any more
    second = reconstruct(after)
    assert after.ledger.total == 0
    for a, b in zip(first.module.parameters(), second.module.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach(), b.detach())
