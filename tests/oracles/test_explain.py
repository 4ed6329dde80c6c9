import numpy as np
import pytest
import torch
from torch import nn

import divulge
from divulge import (
    CallableOracle,
    GradientOracle,
    InputTimesGradientOracle,
    IntegratedGradientsOracle,
    JacobianOracle,
    LabelOracle,
    ProbabilityOracle,
    SaliencyOracle,
    SmoothGradOracle,
    ValueOracle,
    Victim,
)
from divulge.errors import BudgetExhausted

POINTS = np.random.default_rng(0).standard_normal((7, 16))


@pytest.fixture(scope="module", params=["lowered", "convolution"])
def victim(request):
    torch.manual_seed(0)
    if request.param == "lowered":
        return Victim(nn.Sequential(nn.Linear(16, 9), nn.ReLU(), nn.Linear(9, 3)).double())
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)).double()
    return Victim(module, (1, 4, 4), lower=False)


def top_gradients(victim, points=POINTS):
    top = victim.values(points).argmax(axis=1)
    pairs = [victim.values_and_gradients(p[None], k) for p, k in zip(points, top, strict=True)]
    return top, np.concatenate([v for v, _ in pairs]), np.concatenate([g for _, g in pairs])


def test_the_top_class_is_explained_where_none_is_named(victim):
    oracle = GradientOracle(victim)
    answers = oracle.explain(POINTS)
    top, values, gradients = top_gradients(victim)
    np.testing.assert_array_equal(answers.outputs, top)
    np.testing.assert_array_equal(answers.labels, top)
    np.testing.assert_allclose(answers.values, values)
    np.testing.assert_allclose(answers.explanations, gradients, atol=1e-14)
    assert oracle.ledger.by_kind == {"gradient": 7}


def test_named_outputs_are_explained_and_tell_no_label(victim):
    answers = GradientOracle(victim).explain(POINTS, [0, 1, 2, 0, 1, 2, 0])
    assert answers.labels is None
    np.testing.assert_allclose(answers.values, victim.values(POINTS)[range(7), answers.outputs])
    one = GradientOracle(victim).explain(POINTS, 1)
    np.testing.assert_allclose(one.explanations, victim.values_and_gradients(POINTS, 1)[1], atol=1e-14)
    with pytest.raises(ValueError, match="of 3 outputs, got 3"):
        GradientOracle(victim).explain(POINTS, 3)
    with pytest.raises(ValueError, match="one output or 7 of them"):
        GradientOracle(victim).explain(POINTS, [0, 1])


def test_labels_and_probabilities(victim):
    top, _, _ = top_gradients(victim)
    labels = LabelOracle(victim)
    answers = labels.explain(POINTS)
    np.testing.assert_array_equal(answers.labels, top)
    assert answers.values is answers.explanations is answers.probabilities is None
    assert labels.ledger.by_kind == {"label": 7}
    assert labels.query(POINTS) == (None, None)
    p = ProbabilityOracle(victim).explain(POINTS).probabilities
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(p.argmax(axis=1), top)


def test_gradients_of_probabilities(victim):
    oracle = ProbabilityOracle(victim, gradients=True)
    answers = oracle.explain(POINTS)
    step = 1e-6 * np.eye(16)[0]
    ahead, behind = (oracle.probabilities(POINTS + s)[range(7), answers.outputs] for s in (step, -step))
    np.testing.assert_allclose(answers.explanations[:, 0], (ahead - behind) / 2e-6, atol=1e-7)
    assert answers.attribution.of_probability


def test_saliency_and_input_times_gradient(victim):
    _, values, gradients = top_gradients(victim)
    saliency = SaliencyOracle(victim).explain(POINTS)
    np.testing.assert_allclose(saliency.explanations, np.abs(gradients), atol=1e-14)
    np.testing.assert_allclose(saliency.values, values)
    products = InputTimesGradientOracle(victim).explain(POINTS).explanations
    np.testing.assert_allclose(products, POINTS * gradients, atol=1e-13)


def test_integrated_gradients_add_up_to_the_difference_of_values(victim):
    baseline = np.full(16, 0.3)
    answers = IntegratedGradientsOracle(victim, steps=2000, baseline=baseline).explain(POINTS)
    there = victim.values(baseline[None])[0, answers.outputs]
    np.testing.assert_allclose(answers.explanations.sum(axis=1), answers.values - there, atol=3e-3)


def test_smoothgrad_is_the_mean_gradient_around(victim):
    oracle = SmoothGradOracle(victim, samples=4000, noise=0.2, seed=1)
    first, again = oracle.explain(POINTS[:2]).explanations, oracle.explain(POINTS[:2]).explanations
    assert not np.array_equal(first, again)
    top = victim.values(POINTS[:2]).argmax(axis=1)
    noise = np.random.default_rng(5).standard_normal((4000, 16))
    for row in range(2):
        around = victim.values_and_gradients(POINTS[row] + 0.2 * noise, int(top[row]))[1]
        np.testing.assert_allclose(first[row], around.mean(axis=0), atol=6 * around.std() / 4000**0.5)
    assert oracle.ledger.by_kind == {"smoothgrad": 4}


def test_smoothgrad_with_fixed_noise_repeats_itself(victim):
    oracle = SmoothGradOracle(victim, samples=5, noise=0.2, fixed_noise=True)
    np.testing.assert_array_equal(oracle.explain(POINTS).explanations, oracle.explain(POINTS).explanations)


def test_all_outputs_at_once(victim):
    oracle = JacobianOracle(victim)
    answers = oracle.explain(POINTS)
    assert len(answers) == 21
    assert oracle.ledger.total == 7
    np.testing.assert_allclose(answers.explanations[4], victim.values_and_gradients(POINTS[1:2], 1)[1][0])


def test_one_output():
    victim = Victim(nn.Linear(16, 1).double())
    assert GradientOracle(victim).explain(POINTS).labels is None
    labels = LabelOracle(victim).explain(POINTS).labels
    np.testing.assert_array_equal(labels, victim.values(POINTS)[:, 0] > 0)


def test_a_callable_knows_no_top_class():
    oracle = CallableOracle(lambda x, k: (x.sum(axis=1) + k, np.ones_like(x)), 16, output_size=3, output=2)
    answers = oracle.explain(POINTS)
    assert answers.labels is None
    np.testing.assert_allclose(answers.values, POINTS.sum(axis=1) + 2)


def test_values_and_nothing_asked(victim):
    assert ValueOracle(victim).explain(POINTS).explanations is None
    for kind in (GradientOracle, LabelOracle, SaliencyOracle, ProbabilityOracle):
        assert len(kind(victim).explain(np.empty((0, 16)))) == 0


def test_the_budget_holds(victim):
    oracle = SmoothGradOracle(victim, budget=6)
    with pytest.raises(BudgetExhausted, match="budget of 6"):
        oracle.explain(POINTS)
    assert oracle.ledger.total == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda v: SmoothGradOracle(v, samples=0), "at least one sample .* got 0"),
        (lambda v: SmoothGradOracle(v, noise=-1.0), "positive, finite noise.* got -1.0"),
        (lambda v: IntegratedGradientsOracle(v, steps=0), "at least one step .* got 0"),
        (lambda v: IntegratedGradientsOracle(v, baseline=np.ones(3)), r"got \(3,\)"),
    ],
)
def test_senseless_oracles(victim, make, message):
    with pytest.raises(ValueError, match=message):
        make(victim)


def test_what_tells_no_value_cannot_be_reconstructed(victim):
    with pytest.raises(ValueError, match="a label oracle tells neither"):
        divulge.reconstruct(LabelOracle(victim))
