"""From an oracle to the whole network, and what is left when it is stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from deep_networks import probe_of, random_deep, sizes_of, victim_of
from random_victims import function_error

from divulge import (
    CallableOracle,
    GradientOracle,
    JacobianOracle,
    ProbabilityOracle,
    Victim,
    reconstruct,
)
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.attack import DeepAttack
from divulge.reconstruction.deep.layer_by_layer import DeepSearch


def error_of(result, victim, count=1000, scale=1.0):
    """Largest error on fresh normal points, relative to the range."""
    points = scale * np.random.default_rng(987).standard_normal((count, victim.input_size))
    return function_error(result.module, victim, points)


@pytest.mark.parametrize("sizes", [(12, 8, 6, 1), (10, 10, 10, 1), (30, 20, 10, 3), (10, 20, 20, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_the_network_is_found(sizes, seed):
    victim = victim_of(random_deep(*sizes, seed=seed))
    oracle = GradientOracle(victim)
    result = reconstruct(oracle, seed=seed)
    assert result.complete, result.notes
    assert sizes_of(result.module) == list(sizes[1:])
    assert result.hidden_units == sum(sizes[1:-1])
    assert result.certificate.error < 1e-8
    assert error_of(result, victim) < 1e-9
    assert result.queries == oracle.ledger.total == result.queries_by_kind["gradient"]


def test_three_hidden_layers():
    victim = victim_of(random_deep(20, 12, 10, 8, 1))
    result = reconstruct(GradientOracle(victim))
    assert result.complete, result.notes
    assert sizes_of(result.module) == [12, 10, 8, 1]
    assert error_of(result, victim) < 1e-9


def test_the_same_seed_asks_the_same():
    victim = victim_of(random_deep(10, 8, 6, 1))
    one, other = (reconstruct(GradientOracle(victim), seed=4) for _ in range(2))
    assert one.queries == other.queries
    for a, b in zip(one.module.parameters(), other.module.parameters(), strict=True):
        assert torch.equal(a, b)


def test_progress_tells_of_the_layers():
    told = []
    result = reconstruct(GradientOracle(victim_of(random_deep(10, 8, 6, 1))), progress=told.append)
    assert result.hidden_units == 14
    deep = [p for p in told if p.stage == "hidden layers"]
    assert deep
    assert deep[-1].units >= 14
    assert deep[-1].queries <= result.queries


@pytest.mark.parametrize("budget", [40, 300])
def test_a_budget_leaves_what_was_found(budget):
    victim = victim_of(random_deep(30, 20, 10, 3))
    result = reconstruct(GradientOracle(victim, budget=budget))
    assert not result.complete
    assert result.queries == budget
    assert any("budget" in note.sentence for note in result.notes)
    assert result.module(torch.zeros(2, 30, dtype=torch.float64)).shape == (2, 3)
    assert not result.certificate.error < 1e-8


@pytest.mark.parametrize("after", [200, 300])
def test_an_interrupt_leaves_what_was_found(after):
    victim = victim_of(random_deep(30, 20, 10, 1))
    asked = 0

    def answer(points, output):
        nonlocal asked
        asked += len(points)
        if asked > after:
            raise KeyboardInterrupt
        return victim.values_and_gradients(points, output)

    result = reconstruct(CallableOracle(answer, 30))
    assert not result.complete
    assert "interrupted" in result.notes[-1].sentence
    assert result.module(torch.zeros(2, 30, dtype=torch.float64)).shape == (2, 1)


@pytest.mark.parametrize("seed", range(3))
def test_in_a_box_it_is_right_or_not_complete(seed):
    victim = victim_of(random_deep(8, 6, 5, 1, seed=seed))
    result = reconstruct(GradientOracle(victim, domain=(-2.0, 2.0)), seed=seed)
    assert result.complete or result.notes
    if result.complete or result.certificate.error < 1e-8:
        points = np.random.default_rng(1).uniform(-2, 2, (2000, 8))
        assert function_error(result.module, victim, points) < 1e-6


def test_nothing_known_is_a_result():
    probe = probe_of(random_deep(6, 5, 4, 1))
    attack = DeepAttack(
        lambda _: probe, [0], Lines(6, None, np.random.default_rng(0)), lambda _: None, lambda _: None
    )
    known = attack.known()
    assert known.model.hidden_sizes == [0]
    assert not known.solved
    assert known.certificate == np.inf
    np.testing.assert_array_equal(known.model.pieces(np.ones((2, 6)), 0), np.zeros((2, 7)))


def test_float32_is_found_to_its_rounding():
    network = random_deep(12, 8, 6, 1).float()
    victim = Victim(network, input_shape=(12,))
    result = reconstruct(GradientOracle(victim))
    assert not result.complete or error_of(result, victim) < 1e-3


def test_a_fit_that_is_found_wrong_stays_until_there_is_another():
    network = random_deep(8, 6, 4, 1)
    lines = Lines(8, None, np.random.default_rng(0))
    search = DeepSearch(probe_of(network), lines, lambda _: None, lambda _: None)
    assert search.latest is None
    found = search.run()
    assert search.latest is found is search.best
    search.forget()
    assert search.best is None
    search.forget()
    assert search.latest is found
    search.consider(replace(found, error=0.04))  # of fewer layers, while they are gone through anew
    assert search.latest is found
    assert search.at_the_end.error == np.inf  # it was found wrong: never complete
    another = search.consider(replace(found, error=2 * found.error))
    search.best = another
    assert search.latest is search.at_the_end is another  # one that explains its answers, too


def test_of_two_fits_that_leave_rounding_the_later_is_kept():
    network = random_deep(8, 6, 4, 1)
    lines = Lines(8, None, np.random.default_rng(0))
    search = DeepSearch(probe_of(network), lines, lambda _: None, lambda _: None)
    first = replace(search.run(), error=1e-15)
    search.best = first
    later = search.consider(replace(first, error=3e-15))  # with an entry that the first had taken for 0
    assert search.best is later
    search.consider(replace(first, error=1e-6))
    assert search.best is later


@pytest.mark.parametrize("budget", [2_100, 2_700, 3_800])
def test_a_budget_that_ends_while_layers_are_gone_through_anew_leaves_the_best_copy(budget):
    victim = victim_of(random_deep(12, 8, 8, 6, 1, seed=1))
    result = reconstruct(GradientOracle(victim, budget=budget), seed=1)  # right nearly everywhere after 2,000
    points = np.random.default_rng(2).standard_normal((1000, 12))
    off = np.abs(result.module(torch.from_numpy(points)).detach().numpy() - victim.values(points))
    assert not result.complete
    assert len(result.hidden_sizes) == 3
    assert np.median(off) < 1e-12


def test_a_deep_network_from_all_gradients(tmp_path):
    victim = victim_of(random_deep(12, 8, 6, 4))
    single, all_outputs = GradientOracle(victim), JacobianOracle(victim)
    assert reconstruct(single).complete
    result = reconstruct(all_outputs)
    assert result.complete
    assert error_of(result, victim) < 1e-9
    assert result.queries == all_outputs.ledger.total < single.ledger.total
    kept = reconstruct(JacobianOracle(victim), checkpoint=tmp_path / "answers")
    again = JacobianOracle(victim)
    told = reconstruct(again, checkpoint=tmp_path / "answers")
    assert kept.queries == told.queries == result.queries
    assert again.ledger.total <= 1  # the one that shows whether the oracle is still the same


@pytest.mark.parametrize("sizes", [(12, 8, 6, 3), (20, 15, 10, 4)])
@pytest.mark.parametrize("gradients", [True, False])
def test_a_deep_network_from_probabilities(sizes, gradients):
    victim = victim_of(random_deep(*sizes))
    result = reconstruct(ProbabilityOracle(victim, gradients=gradients))
    assert result.complete, result.notes
    assert result.hidden_sizes == sizes[1:-1]
    points = np.random.default_rng(5).standard_normal((500, sizes[0]))
    with torch.no_grad():
        copy, true = result.module(torch.from_numpy(points)).numpy(), victim.values(points)
    assert np.abs((copy - copy[:, :1]) - (true - true[:, :1])).max() < 1e-8
