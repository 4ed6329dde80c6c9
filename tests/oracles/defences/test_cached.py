from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn

import divulge
from divulge import Cached, GradientOracle, JacobianOracle, LabelOracle, Noisy, Private, Victim
from divulge.oracles import CounterfactualOracle

RNG = np.random.default_rng(0)
POINTS = RNG.standard_normal((9, 4))


@pytest.fixture(scope="module")
def victim():
    torch.manual_seed(0)
    return Victim(nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 3)).double())


@pytest.mark.parametrize("step", [0.5, np.array([0.1, 1.0, 0.3, 2.0])])
def test_answers_are_those_of_the_grid(victim, step):
    grid = step * np.round(POINTS / step)
    cached = Cached(GradientOracle(victim), step)
    told, exact = cached.explain(POINTS), GradientOracle(victim).explain(grid)
    np.testing.assert_allclose(told.explanations, exact.explanations, rtol=1e-9)
    np.testing.assert_allclose(told.values, exact.values, rtol=1e-9)
    np.testing.assert_array_equal(told.labels, exact.labels)
    np.testing.assert_array_equal(told.points, POINTS)
    values, gradients = cached.query(POINTS, 1)
    assert gradients is None
    np.testing.assert_allclose(values, GradientOracle(victim).query(grid, 1)[0], rtol=1e-9)


def test_asking_again_averages_nothing_out_and_counts(victim):
    private = Private(GradientOracle(victim), 1.0)
    cached = Cached(private, 0.5)
    grid = 0.5 * np.round(POINTS / 0.5)
    near = grid[np.repeat(np.arange(9), 20)] + RNG.uniform(-0.2, 0.2, (180, 4))
    told = cached.explain(near).explanations.reshape(9, 20, 4)
    assert (told == told[:, :1]).all()
    assert private.spent().answers == cached.points == 9
    assert cached.ledger.total == 180
    cached.explain(near, 1)
    cached.query(near, 1)
    assert private.spent().answers == cached.points == 18
    assert cached.ledger.total == 540


def test_a_budget_counts_what_is_told_again(victim):
    cached = Cached(GradientOracle(victim, budget=12), 0.5)
    cached.explain(POINTS)
    with pytest.raises(divulge.BudgetExhausted):
        cached.explain(POINTS)


def test_the_grid_stays_in_the_domain(victim):
    inside = np.full((3, 4), 0.9)
    oracle = GradientOracle(victim, domain=(-1.0, 1.0))
    told = Cached(oracle, 0.7).explain(inside)
    np.testing.assert_allclose(told.values, oracle.explain(np.full((3, 4), 0.7)).values)
    np.testing.assert_allclose(Cached(oracle, 3.0).explain(inside).values, oracle.explain(0 * inside).values)
    np.testing.assert_allclose(
        Cached(oracle, 1.5).explain(inside).values, oracle.explain(inside / 0.9).values
    )


def test_answers_of_all_outputs_and_counterfactuals(victim):
    grid = np.round(POINTS)
    told, exact = (
        o.explain(p) for o, p in ((Cached(JacobianOracle(victim), 1), POINTS), (JacobianOracle(victim), grid))
    )
    np.testing.assert_allclose(told.explanations, exact.explanations, rtol=1e-9)
    np.testing.assert_array_equal(told.outputs, exact.outputs)
    np.testing.assert_array_equal(told.points, np.repeat(POINTS, 3, axis=0))
    cached = Cached(CounterfactualOracle(victim, generations=3, population=20), 1)
    for told in (cached.explain(POINTS), cached.explain(POINTS)):
        assert len(told) in (9, 18)
        np.testing.assert_array_equal(told.points[:9], POINTS)
        np.testing.assert_array_equal(told.labels[:9], victim.classes(grid))
        np.testing.assert_array_equal(told.labels[9:], victim.classes(told.points[9:]))


def test_labels_of_moved_inputs(victim):
    told = Cached(LabelOracle(victim), 2.0).explain(POINTS).labels
    np.testing.assert_array_equal(told, victim.classes(2 * np.round(POINTS / 2)))
    assert Cached(LabelOracle(victim), 2.0).explain(POINTS[:0]).labels.shape == (0,)


@pytest.mark.parametrize("step", [1e-3, 0.5])
def test_a_victim_moved_to_a_grid_is_not_called_rebuilt(victim, step):
    with suppress(divulge.DivulgeError, ValueError):  # refused, which is as good
        assert not divulge.reconstruct(
            Cached(Noisy(GradientOracle(victim, budget=2000), 1e-9), step)
        ).complete


@pytest.mark.parametrize(
    ("step", "message"),
    [(0.0, "positive, finite steps"), (np.ones(3), "one step or 4, got shape"), (np.nan, "finite")],
)
def test_senseless_steps(victim, step, message):
    with pytest.raises(ValueError, match=message):
        Cached(GradientOracle(victim), step)
