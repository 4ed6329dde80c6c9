from contextlib import suppress

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import nn

import divulge
from divulge import GradientOracle, JacobianOracle, LabelOracle, Private, ProbabilityOracle, Victim
from divulge.oracles.defences.private import delta_of

POINTS = np.random.default_rng(0).standard_normal((9, 12))


@pytest.fixture(scope="module")
def victim():
    torch.manual_seed(0)
    return Victim(nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 3)).double())


def told_often(oracle, times=400):
    return np.stack([oracle.explain(POINTS).explanations for _ in range(times)])


@pytest.mark.parametrize(("delta", "order"), [(1e-5, 2), (0.0, 1)])
def test_rows_are_clipped_and_the_noise_has_its_scale(victim, delta, order):
    exact = GradientOracle(victim).explain(POINTS).explanations
    limit = float(np.median(np.linalg.norm(exact, ord=order, axis=1)))
    defended = Private(GradientOracle(victim), 3.0, limit=limit, delta=delta)
    norms = np.linalg.norm(exact, ord=order, axis=1, keepdims=True)
    clipped = exact * np.minimum(1, limit / norms)
    noise = told_often(defended) - clipped
    scale = defended.scale(parts=2)  # value and gradient
    deviation = scale * (1 if delta else 2**0.5)
    assert noise.std() == pytest.approx(deviation, rel=0.05)
    assert np.abs(noise.mean(axis=0)).max() < 6 * deviation / 400**0.5
    size = scale * ((2 / np.pi) ** 0.5 if delta else 1.0)  # the mean of |noise| tells the two apart
    assert np.abs(noise).mean() == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize("epsilon", [0.01, 0.7, 4.0, 60.0])
@pytest.mark.parametrize("delta", [1e-2, 1e-9])
def test_normal_noise_is_as_private_as_it_says_and_no_more(victim, epsilon, delta):
    """Of the event that tells two answers at the largest distance best, by quantiles of the noise."""
    sigma = Private(ProbabilityOracle(victim), epsilon, limit=0.5, delta=delta).scale(parts=1)
    edge = sigma**2 * epsilon - 0.5  # of the likelihood ratio e^epsilon, at a distance of 1
    excess = norm.cdf(-edge / sigma) - np.exp(epsilon) * norm.cdf(-(edge + 1) / sigma)
    assert excess == pytest.approx(delta, rel=1e-5)


def test_what_answers_spend(victim):
    normal = Private(GradientOracle(victim), 0.5)
    assert normal.spent().epsilon == 0
    normal.explain(POINTS)
    normal.query(POINTS[:4])
    spent = normal.spent()
    assert (spent.answers, spent.basic) == (13, 6.5)
    assert normal.spent(1).epsilon == pytest.approx(0.5, rel=1e-6)
    for n in (2, 13, 1000):
        many = normal.spent(n)
        bound = many.rho + 2 * (many.rho * np.log(1e5)) ** 0.5
        assert 0.5 < many.epsilon < min(bound, many.basic)
        assert delta_of((2 * many.rho) ** 0.5, many.epsilon) == pytest.approx(1e-5, rel=1e-9)
    laplace = Private(GradientOracle(victim), 0.5, delta=0.0)
    assert laplace.spent(13) == divulge.oracles.Spent(13, 6.5, 0.0, 6.5, 13 * 0.125)


def test_every_row_that_is_told_spends(victim):
    defended = Private(JacobianOracle(victim), 1.0)
    assert len(defended.explain(POINTS)) == defended.spent().answers == 27
    labels = Private(LabelOracle(victim), 1.0)
    np.testing.assert_array_equal(labels.explain(POINTS).labels, victim.classes(POINTS))
    assert labels.spent().answers == 0  # labels are told as they are


def test_same_seed_same_noise(victim):
    one, two, other = (
        Private(GradientOracle(victim), 1.0, seed=seed).explain(POINTS).explanations for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_a_drowned_victim_is_never_called_rebuilt(victim):
    for epsilon in (1.0, 1e6):
        defended = Private(GradientOracle(victim, budget=3000), epsilon, limit=0.3)
        with suppress(divulge.DivulgeError, ValueError):  # refused, which is as good
            assert not divulge.reconstruct(defended).complete


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0.0}, "positive, finite epsilon, got 0.0"),
        ({"epsilon": 1.0, "limit": float("inf")}, "positive, finite limit, got inf"),
        ({"epsilon": 1.0, "delta": 1.0}, "delta of at least 0 and less than 1, got 1.0"),
        ({"epsilon": 1.0, "delta": float("nan")}, "delta of at least 0 and less than 1, got nan"),
    ],
)
def test_senseless_numbers(victim, options, message):
    with pytest.raises(ValueError, match=message):
        Private(GradientOracle(victim), **options)
