import numpy as np
import pytest
import torch
from torch import nn

import divulge
from divulge import (
    Budget,
    BudgetExhausted,
    Clipped,
    GradientOracle,
    JacobianOracle,
    LabelOracle,
    Noisy,
    Normalized,
    Prada,
    ProbabilityOracle,
    Rounded,
    SaliencyOracle,
    SignOnly,
    TopK,
    Victim,
)
from divulge.surrogate import Weights

POINTS = np.random.default_rng(0).standard_normal((7, 12))


@pytest.fixture(scope="module")
def victim():
    torch.manual_seed(0)
    return Victim(nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 3)).double())


@pytest.fixture
def oracle(victim):
    return GradientOracle(victim)


def test_rounding(oracle):
    exact = oracle.explain(POINTS)
    told = Rounded(oracle, decimals=2).explain(POINTS)
    np.testing.assert_array_equal(told.explanations, np.round(exact.explanations, 2))
    np.testing.assert_array_equal(told.values, np.round(exact.values, 2))
    np.testing.assert_array_equal(told.labels, exact.labels)
    values, gradients = Rounded(oracle, bits=5).query(POINTS, 1)
    true_values, true = oracle.query(POINTS, 1)
    assert (np.abs(gradients - true) <= 2.0**-5 * np.abs(true)).all()
    assert (np.abs(values - true_values) <= 2.0**-5 * np.abs(true_values)).all()
    assert not np.array_equal(gradients, true)
    assert oracle.ledger.by_kind == {"gradient": 28}


def test_rounded_probabilities(victim):
    told = Rounded(ProbabilityOracle(victim), decimals=1).explain(POINTS)
    np.testing.assert_allclose(told.probabilities * 10, np.round(told.probabilities * 10), atol=1e-12)


def test_fresh_noise(oracle):
    defended = Noisy(oracle, 0.1)
    exact = oracle.explain(POINTS)
    many = [defended.explain(POINTS) for _ in range(300)]
    noise = np.stack([told.explanations - exact.explanations for told in many])
    assert noise.std() == pytest.approx(0.1, rel=0.03)
    assert np.abs(noise.mean(axis=0)).max() < 6 * 0.1 / 300**0.5
    assert np.stack([told.values - exact.values for told in many]).std() == pytest.approx(0.1, rel=0.1)


def test_noise_fixed_by_the_input(oracle):
    """Exactly, one point at a time: in a batch the victim's own last bit may depend on the point's place."""
    defended, again = (Noisy(oracle, 0.1, fixed_per_input=True) for _ in range(2))
    forwards = [defended.explain(point[None]) for point in POINTS]
    backwards = [again.explain(point[None]) for point in POINTS[::-1]][::-1]
    batch = Noisy(oracle, 0.1, fixed_per_input=True).explain(POINTS[::-1])
    for name in ("explanations", "values"):
        one, two = (np.concatenate([getattr(told, name) for told in part]) for part in (forwards, backwards))
        np.testing.assert_array_equal(one, two)
        np.testing.assert_allclose(getattr(batch, name)[::-1], one, rtol=1e-12, atol=1e-14)
    other = Noisy(oracle, 0.1, fixed_per_input=True, seed=1).explain(POINTS[::-1])
    assert not np.array_equal(batch.explanations, other.explanations)


def test_noise_in_answers_without_numbers(victim):
    told = Noisy(LabelOracle(victim), 0.5).explain(POINTS)
    np.testing.assert_array_equal(told.labels, LabelOracle(victim).explain(POINTS).labels)


def test_parts_of_explanations(oracle):
    exact = oracle.explain(POINTS).explanations
    top = TopK(oracle, 4).explain(POINTS).explanations
    assert (np.count_nonzero(top, axis=1) == 4).all()
    kept = np.sort(np.abs(exact), axis=1)[:, -4:].sum(axis=1)
    np.testing.assert_allclose(np.abs(top).sum(axis=1), kept)
    np.testing.assert_array_equal(Clipped(oracle, 0.1).explain(POINTS).explanations, exact.clip(-0.1, 0.1))
    np.testing.assert_array_equal(SignOnly(oracle).explain(POINTS).explanations, np.sign(exact))
    unit = Normalized(oracle).explain(POINTS).explanations
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1)
    np.testing.assert_allclose((unit * exact).sum(axis=1), np.linalg.norm(exact, axis=1))


def test_what_is_no_gradient_is_not_passed_off_as_one(oracle):
    values, gradients = SignOnly(oracle).query(POINTS)
    np.testing.assert_array_equal(values, oracle.query(POINTS)[0])
    assert gradients is None


def test_defences_compose(oracle):
    exact = oracle.explain(POINTS).explanations
    told = TopK(Rounded(SaliencyOracle(oracle.victim), decimals=1), 3).explain(POINTS)
    assert len(told.imitations) == 1
    assert told.attribution.name == "saliency"
    np.testing.assert_allclose(told.explanations.max(axis=1), np.round(np.abs(exact).max(axis=1), 1))
    assert len(Normalized(TopK(oracle, 3)).explain(POINTS).imitations) == 2


def test_a_budget_behind_and_before(oracle):
    capped = Budget(Rounded(oracle, decimals=3), 10)
    capped.explain(POINTS)
    assert capped.ledger.remaining == 3
    assert oracle.ledger.total == capped.ledger.total == 7
    with pytest.raises(BudgetExhausted, match="budget of 10 queries ran out: 7 more"):
        capped.explain(POINTS)
    assert capped.ledger.exhausted
    assert oracle.ledger.total == 7
    with pytest.raises(BudgetExhausted):
        capped.query(POINTS)
    result = divulge.reconstruct(Budget(GradientOracle(oracle.victim), 5))
    assert not result.complete
    assert result.queries == 5


def test_prada_tells_lines_of_queries_from_honest_ones(victim):
    rng = np.random.default_rng(1)
    honest, thief = Prada(GradientOracle(victim)), Prada(GradientOracle(victim))
    honest.explain(rng.normal(size=(400, 12)))
    assert honest.alarm is None
    assert 0.95 < honest.statistic <= 1
    near = rng.normal(size=(20, 12))[rng.integers(20, size=400)]
    thief.explain(near + np.exp(-rng.uniform(0, 7, (400, 1))) * rng.normal(size=(400, 12)))
    assert thief.alarm is not None
    assert 100 <= thief.alarm <= 400
    assert len(Prada(JacobianOracle(victim)).explain(POINTS)) == 21


def test_prada_tells_the_classes_of_one_logit_apart():
    victim = Victim(nn.Linear(12, 1).double())
    near = np.repeat(POINTS[:1], 2, axis=0)
    (value,), (gradient,) = victim.values_and_gradients(near[:1], 0)
    near[1] -= 2 * value * gradient / (gradient @ gradient)  # as far beyond the surface
    assert sorted(victim.classes(near).tolist()) == [0, 1]
    for ask in ("query", "explain"):
        watched = Prada(GradientOracle(victim))
        getattr(watched, ask)(near)
        assert sorted(watched._classes) == [0, 1]


def test_prada_watches_an_exact_attack(victim):
    watched = Prada(GradientOracle(victim), least=50)
    result = divulge.reconstruct(watched)
    assert result.complete
    assert watched.alarm is not None


@pytest.mark.parametrize("defend", [SignOnly, Normalized, lambda o: TopK(o, 4), lambda o: Clipped(o, 0.2)])
def test_a_surrogate_imitates_the_defence(victim, defend):
    data = torch.from_numpy(np.random.default_rng(2).standard_normal((400, 12)))
    plain = divulge.steal(
        defend(GradientOracle(victim)),
        queries=150,
        data=data,
        test=(data, None),
        steps=300,
        weights=Weights(),
    )
    assert plain.leak_curve.agreement[0] > 0.8


def test_a_rounded_victim_is_rebuilt(victim):
    result = divulge.reconstruct(Rounded(GradientOracle(victim), decimals=9))
    assert result.complete, result.notes
    assert result.hidden_units == 9


def test_values_betray_a_victim_whose_gradients_are_hidden():
    torch.manual_seed(1)
    victim = Victim(nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 1)).double())
    result = divulge.reconstruct(SignOnly(GradientOracle(victim)))
    assert result.complete, result.notes
    assert divulge.compare(result, victim).max_output_error < 1e-6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: Rounded(o), "either decimals or bits"),
        (lambda o: Rounded(o, decimals=2, bits=3), "either decimals or bits"),
        (lambda o: Rounded(o, decimals=-1), "decimals of at least 0, got -1"),
        (lambda o: Rounded(o, bits=0), "1 to 52 bits, got 0"),
        (lambda o: Noisy(o, -1.0), "sigma, got -1.0"),
        (lambda o: Noisy(o, float("nan")), "sigma, got nan"),
        (lambda o: TopK(o, 13), "k between 1 and 12, got 13"),
        (lambda o: Clipped(o, 0.0), "limit, got 0.0"),
        (lambda o: Budget(o, -1), "budget of at least 0, got -1"),
        (lambda o: Prada(o, threshold=1.5), "threshold between 0 and 1, got 1.5"),
        (lambda o: Prada(o, least=3), "at least 10 queries before the first test, got 3"),
    ],
)
def test_senseless_defences(oracle, make, message):
    with pytest.raises(ValueError, match=message):
        make(oracle)


def test_only_oracles_can_be_defended(victim):
    with pytest.raises(TypeError, match="an oracle to defend, got Victim"):
        Rounded(victim, decimals=3)
