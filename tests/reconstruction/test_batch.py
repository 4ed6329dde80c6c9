"""Many victims at once: the same copies as one by one, whichever way each took."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from divulge import (
    CallableOracle,
    GradientOracle,
    LabelOracle,
    Victim,
    _core,
    compare,
    reconstruct_many,
    set_threads,
    threads,
)
from divulge.reconstruction import NoteKind, batch


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


def smooth() -> Victim:
    torch.manual_seed(0)
    return Victim(nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1)).double(), (6,))


def test_an_error_stays_with_its_victim(make_victim):
    def fails(points, output):
        raise TypeError("of the caller's own")

    victims = [make_victim(20, 8), smooth(), CallableOracle(fails, 20), make_victim(20, 8, seed=1)]
    results = reconstruct_many(victims)
    assert [result.complete for result in results] == [True, False, False, True]
    for place, said in ((1, "NotPiecewiseLinear: .* or smoothed"), (2, "TypeError: of the caller's own")):
        (note,) = results[place].notes
        assert note.kind is NoteKind.REFUSED
        assert re.match(said, note.sentence)
        assert results[place].hidden_sizes == ()
        assert results[place].certificate.answers == 0
    assert results[1].module(torch.zeros(2, 6, dtype=torch.float64)).shape == (2, 1)


def test_ctrl_c_keeps_what_is_known(make_victim):
    def interrupted(points, output):
        raise KeyboardInterrupt

    oracles = [make_victim(20, 8), CallableOracle(interrupted, 20), make_victim(20, 8, 3), make_victim(12, 4)]
    results = reconstruct_many(oracles)
    assert [result.complete for result in results] == [True, False, False, True]
    assert [[note.kind for note in results[place].notes] for place in (1, 2)] == [[NoteKind.INTERRUPTED]] * 2
    assert "not begun" in results[2].notes[0].sentence
    assert results[2].queries == 0


def test_ctrl_c_in_the_native_call_keeps_earlier_copies(make_victim, monkeypatch):
    native, calls = _core.reconstruct_batch, []

    def second_is_interrupted(oracles, seed):
        calls.append(len(oracles))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return native(oracles, seed)

    monkeypatch.setattr(_core, "reconstruct_batch", second_is_interrupted)
    monkeypatch.setattr(batch, "BATCH", replace(batch.BATCH, at_a_time=2))
    results = reconstruct_many([make_victim(10, 4, seed=seed) for seed in range(5)])
    assert calls == [2, 2]
    assert [result.complete for result in results] == [True, True, False, False, False]


def test_a_native_copy_that_is_wrong_is_searched_on():
    rng = np.random.default_rng(4)
    module = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 1)).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape)))
        module[0].bias[:4] = -5 * module[0].weight[:4].norm(dim=1)
    for seed in range(8):
        (result,) = reconstruct_many([Victim(module, (20,))], seed=seed)
        assert result.complete, result.notes
        assert result.hidden_units == 16


def test_oracles_that_tell_nothing_are_refused_alone(make_victim):
    results = reconstruct_many([LabelOracle(make_victim(20, 8, 3)), make_victim(20, 8)])
    assert [result.complete for result in results] == [False, True]
    assert [note.kind for note in results[0].notes] == [NoteKind.REFUSED]
    assert results[0].module(torch.zeros(2, 20, dtype=torch.float64)).shape == (2, 3)


def test_ctrl_c_while_a_native_copy_is_judged_ends_it(make_victim, monkeypatch):
    judge, calls = batch.judge, []

    def second_is_interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return judge(*arguments)

    monkeypatch.setattr(batch, "judge", second_is_interrupted)
    results = reconstruct_many([make_victim(10, 4, seed=seed) for seed in range(4)])
    assert len(calls) == 2
    assert [result.complete for result in results] == [True, False, False, False]
