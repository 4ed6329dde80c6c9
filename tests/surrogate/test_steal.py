import numpy as np
import pytest
import torch
from torch import nn

import divulge
from divulge.datasets import load
from divulge.errors import BudgetExhausted
from divulge.surrogate import Weights
from divulge.training import cnn, fit_classifier, mlp

SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def linear(digits):
    module = fit_classifier(mlp(SHAPE, [], 10), digits.train_inputs, digits.train_targets, epochs=5)
    return divulge.Victim(module, SHAPE)


@pytest.fixture(scope="module")
def dense(digits):
    module = fit_classifier(mlp(SHAPE, [32], 10), digits.train_inputs, digits.train_targets)
    return divulge.Victim(module, SHAPE)


def test_a_linear_victim_is_solved_with_a_gradient_an_output(linear, digits):
    oracle = divulge.GradientOracle(linear)
    stolen = divulge.steal(oracle, "linear", queries=10, data=digits)
    assert stolen.solved
    assert oracle.ledger.by_kind == {"gradient": 10}
    curve = stolen.leak_curve
    assert list(curve.queries) == [10]
    assert curve.agreement[0] == 1.0
    assert curve.gradient_cosine[0] > 1 - 1e-6
    np.testing.assert_allclose(
        stolen.module(digits.test_inputs).detach(), linear.module(digits.test_inputs).detach(), atol=1e-4
    )


@pytest.mark.parametrize(
    "kind",
    [divulge.InputTimesGradientOracle, divulge.SmoothGradOracle, divulge.IntegratedGradientsOracle],
)
def test_other_explanations_of_a_linear_victim_determine_it(linear, digits, kind):
    stolen = divulge.steal(kind(linear), "linear", queries=40, data=digits, inputs="gaussian")
    assert stolen.solved
    assert stolen.leak_curve.agreement[0] > 0.99


def test_probabilities_of_a_linear_victim_determine_it(linear, digits):
    stolen = divulge.steal(
        divulge.ProbabilityOracle(linear), "linear", queries=80, data=digits, inputs="gaussian"
    )
    assert stolen.solved
    assert stolen.leak_curve.agreement[0] > 0.99


def test_gradients_leak_more_than_labels(dense, digits):
    gradients = divulge.steal(divulge.GradientOracle(dense), queries=[30, 100], data=digits, steps=500)
    labels = divulge.steal(divulge.LabelOracle(dense), queries=[30, 100], data=digits, steps=500)
    assert list(gradients.leak_curve.queries) == [30, 100]
    assert not gradients.solved
    assert gradients.queries == 100
    assert gradients.leak_curve.agreement[0] > labels.leak_curve.agreement[0] + 0.05
    assert gradients.leak_curve.agreement[1] > 0.94
    assert gradients.leak_curve.gradient_cosine[1] > labels.leak_curve.gradient_cosine[1]


@pytest.mark.parametrize(
    "make",
    [
        divulge.SmoothGradOracle,
        divulge.IntegratedGradientsOracle,
        divulge.SaliencyOracle,
        divulge.InputTimesGradientOracle,
        divulge.ProbabilityOracle,
        divulge.ValueOracle,
        divulge.JacobianOracle,
        lambda victim: divulge.ProbabilityOracle(victim, gradients=True),
        lambda victim: divulge.GradientOracle(victim, values=False),
    ],
)
def test_every_kind_of_answer_trains_a_copy(dense, digits, make):
    stolen = divulge.steal(make(dense), queries=60, data=digits, steps=150)
    assert stolen.leak_curve.agreement[0] > 0.25


def test_same_seed_same_copy(dense, digits):
    def copy(seed):
        oracle = divulge.SmoothGradOracle(dense, samples=5)
        module = divulge.steal(oracle, queries=20, data=digits, steps=20, seed=seed).module
        return torch.cat([p.flatten() for p in module.parameters()])

    assert torch.equal(copy(1), copy(1))
    assert not torch.equal(copy(1), copy(2))


def test_a_surrogate_of_ones_own_and_of_another_kind(dense, digits):
    own = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.Tanh(), nn.Linear(20, 10))
    before = own[1].weight.clone()
    for surrogate in (own, "cnn", cnn(SHAPE, 10, channels=(4,), hidden=16)):
        stolen = divulge.steal(
            divulge.GradientOracle(dense), surrogate, queries=20, data=digits, steps=20, weights=Weights()
        )
        assert stolen.module(digits.test_inputs).shape == (360, 10)
    assert torch.equal(own[1].weight, before)


def test_without_data_a_domain_still_holds(dense):
    oracle = divulge.GradientOracle(dense, domain=(0, 1))
    stolen = divulge.steal(oracle, queries=5, steps=2)
    assert np.isnan(stolen.leak_curve.agreement[0])
    assert oracle.ledger.total == 5


def test_two_classes_from_one_output():
    torch.manual_seed(0)
    victim = divulge.Victim(nn.Linear(5, 1))
    data = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    stolen = divulge.steal(
        divulge.LabelOracle(victim), "mlp", queries=200, data=data, test=(data, None), steps=100
    )
    assert stolen.leak_curve.agreement[0] > 0.9
    assert np.isnan(stolen.leak_curve.accuracy[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queries": 0}, "at least one query, got 0"),
        ({"queries": []}, r"at least one query, got \[\]"),
        ({"surrogate": "forest"}, "a network named linear, mlp, cnn, strided_cnn, patch_cnn, got 'forest'"),
        ({"surrogate": nn.Sequential(nn.Flatten(), nn.Linear(64, 9))}, "as the victim, 10, got 9"),
        ({"surrogate": nn.Flatten()}, "a surrogate with parameters to train, Flatten has none"),
        ({"inputs": "noise"}, "data, gaussian, mixed, spread, adaptive, got 'noise'"),
        ({"data": None, "inputs": "data"}, '"data" need data='),
        ({"data": np.zeros((4, 3))}, r"shape \(n, 64\), got \(4, 3\)"),
    ],
)
def test_senseless_arguments(dense, digits, options, message):
    arguments = {"queries": 5, "data": digits, "surrogate": "mlp"} | options
    with pytest.raises(ValueError, match=message):
        divulge.steal(divulge.GradientOracle(dense), **arguments)


def test_a_budget_is_not_begun_on(dense, digits):
    oracle = divulge.GradientOracle(dense, budget=50)
    with pytest.raises(BudgetExhausted, match="budget of 50"):
        divulge.steal(oracle, queries=[10, 60], data=digits, steps=2)
    assert oracle.ledger.total == 0


def test_queries_that_two_surrogates_disagree_on(dense, digits):
    oracle = divulge.LabelOracle(dense)
    stolen = divulge.steal(oracle, queries=[60, 130], data=digits, inputs="adaptive", steps=200)
    assert oracle.ledger.total == 130
    assert stolen.leak_curve.agreement[1] > 0.7


def test_what_a_surrogate_keeps_frozen_or_never_uses_stays(dense, digits):
    surrogate = mlp(SHAPE, [16], 10)
    surrogate[1].weight.requires_grad_(False)
    surrogate.register_parameter("unused", nn.Parameter(torch.ones(3)))
    oracle = divulge.GradientOracle(dense)
    stolen = divulge.steal(oracle, surrogate, queries=20, data=digits, steps=5, weights=Weights())
    assert torch.equal(stolen.module[1].weight, surrogate[1].weight)
    assert torch.equal(stolen.module.unused, surrogate.unused)
    assert not torch.equal(stolen.module[3].weight, surrogate[3].weight)


def test_copies_of_a_callable_are_compared_with_the_victim_that_is_named(dense, digits):
    oracle = divulge.CallableOracle(dense.values_and_gradients, 64, output_size=10)
    lone = divulge.steal(oracle, queries=30, data=digits, steps=50)
    assert lone.leak_curve.agreement.isna().all()
    with pytest.raises(ValueError, match="copies that were compared with their victim"):
        lone.plot()
    stolen = divulge.steal(oracle, queries=30, data=digits, steps=50, victim=dense)
    right = (
        stolen.module(digits.test_inputs.double()).argmax(1).numpy() == dense.classes(digits.test_inputs)
    ).mean()
    assert stolen.leak_curve.agreement[0] == right


def test_data_that_are_no_inputs_of_one_shape_are_refused(dense, digits):
    pair = (digits.train_inputs.numpy(), digits.train_targets.numpy())
    with pytest.raises(ValueError, match="inputs of one shape, or a Dataset, got a tuple"):
        divulge.steal(divulge.GradientOracle(dense), queries=5, data=pair)
    test = (digits.test_inputs, ["a"] * 360)
    with pytest.raises(TypeError, match="targets that are numbers of classes from 0 to 9, got dtype <U1"):
        divulge.steal(divulge.GradientOracle(dense), queries=5, data=digits, test=test)
