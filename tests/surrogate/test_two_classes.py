"""Two classes, told apart by one logit or by two, in victim and copy, end to end."""

import numpy as np
import pytest
import torch
from torch import nn
from two_classes import D, classifier, halves

import divulge
from divulge.oracles import oracle_by_name
from divulge.surrogate import Weights
from divulge.training import mlp
from divulge.victims import Victim

NAMES = (
    "label",
    "probability",
    "probability:gradients=true",
    "value",
    "gradient",
    "smoothgrad:10",
    "jacobian",
)

WEIGHTS = Weights(value=5.0, explanation=1.0)


@pytest.fixture(scope="module")
def data():
    return halves()


@pytest.fixture(scope="module")
def victims(data):
    return {(k, h): Victim(classifier(data, k, h), (D,)) for k in (1, 2) for h in (0, 24)}


def stolen(victims, data, name, of, to, hidden):
    oracle = oracle_by_name(name, victims[of, hidden])
    start = mlp((D,), [64, 64] if hidden else [], to)
    return divulge.steal(oracle, start, queries=200, data=data, steps=300, weights=WEIGHTS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("of", "to"), [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_a_copy_names_the_victims_classes_whatever_the_outputs_of_both(victims, data, name, of, to):
    copy = stolen(victims, data, name, of, to, 24)
    (row,) = copy.leak_curve.itertuples()
    assert row.agreement > 0.9
    assert row.gradient_cosine > 0.8
    assert copy.module(data.test_inputs).shape == (300, to)
    margin = copy.module(data.test_inputs).detach().numpy().astype(float) @ ([1] if to == 1 else [-1, 1])
    same = (margin > 0) == victims[of, 24].classes(data.test_inputs)
    assert row.agreement == same.mean()
    assert row.accuracy == ((margin > 0) == data.test_targets.numpy()).mean()


@pytest.mark.parametrize("name", ["probability", "gradient", "smoothgrad:10", "input_times_gradient"])
@pytest.mark.parametrize(("of", "to"), [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_a_linear_victim_is_solved_for_whatever_the_outputs_of_both(victims, data, name, of, to):
    copy = stolen(victims, data, name, of, to, 0)
    assert copy.solved
    found, true = copy.module(data.test_inputs).detach(), victims[of, 0].module(data.test_inputs).detach()
    found, true = (z[:, -1] - (z[:, 0] if z.shape[1] == 2 else 0) for z in (found, true))
    torch.testing.assert_close(found, true, rtol=1e-3, atol=1e-3)
    assert copy.leak_curve.agreement[0] > 0.99


def test_queries_that_two_copies_of_two_outputs_disagree_on(victims, data):
    oracle = divulge.GradientOracle(victims[1, 24])
    surrogate = mlp((D,), [64, 64], 2)
    copy = divulge.steal(oracle, surrogate, queries=120, data=data, inputs="adaptive", steps=200)
    assert copy.leak_curve.agreement[0] > 0.75


def test_copies_of_another_number_of_outputs_are_refused(victims):
    with pytest.raises(ValueError, match="as many outputs as the victim, 1, got 3"):
        divulge.steal(divulge.GradientOracle(victims[1, 24]), mlp((D,), [4], 3), queries=5)


def test_what_is_stolen_can_be_compared_with_one_logit(victims, data):
    copy = stolen(victims, data, "probability", 1, 2, 24)
    found = divulge.compare(copy, victims[1, 24], data.test_inputs)
    assert found.agreement == copy.leak_curve.agreement[0]
    z = copy.module(data.test_inputs).detach().double().numpy()
    error = np.abs(z[:, 1] - z[:, 0] - victims[1, 24].values(data.test_inputs)[:, 0]).max()
    assert found.max_output_error == pytest.approx(error, rel=1e-6)
    assert found.hidden_sizes_true == (24,)


@pytest.mark.parametrize("name", ["label", "probability", "value", "gradient"])
def test_a_victim_behind_a_sigmoid_names_classes_by_a_half(victims, data, name):
    module = nn.Sequential(victims[1, 24].module, nn.Sigmoid())
    victim = Victim(module, (D,))
    assert victim.classes(data.test_inputs).tolist() == victims[1, 24].classes(data.test_inputs).tolist()
    copy = divulge.steal(
        oracle_by_name(name, victim),
        mlp((D,), [64, 64], 1),
        queries=200,
        data=data,
        steps=300,
        weights=WEIGHTS,
    )
    assert copy.leak_curve.agreement[0] > 0.88


@pytest.mark.parametrize("end", [nn.Identity(), nn.Sigmoid()])
@pytest.mark.parametrize("gradients", [True, False])
def test_a_callable_may_tell_a_logit_or_a_probability(victims, data, end, gradients):
    victim = victims[1, 24]
    api = Victim(nn.Sequential(victim.module, end), (D,), lower=False)
    oracle = divulge.CallableOracle(
        lambda x: api.values_and_gradients(x, 0) if gradients else api.values(x)[:, 0],
        D,
        gradients=gradients,
        dtype=torch.float32,
    )
    options = {"queries": 200, "data": data, "steps": 400, "weights": WEIGHTS, "victim": victim}
    copy = divulge.steal(oracle, mlp((D,), [64, 64], 1), **options)
    assert copy.leak_curve.agreement[0] > 0.9
    if isinstance(end, nn.Sigmoid):
        with pytest.raises(ValueError, match="a surrogate with one output, one probability is told"):
            divulge.steal(oracle, mlp((D,), [64, 64], 2), **options)
    else:
        assert divulge.steal(oracle, mlp((D,), [64, 64], 2), **options).leak_curve.agreement[0] > 0.9


def test_the_leak_report_of_one_logit(victims, data):
    report = divulge.leak_report(
        victims[1, 24],
        data,
        oracles=("label", "probability", "gradient"),
        defences=("none", "rounded:2"),
        budgets=(200,),
        steps=300,
    )
    best = report.table.set_index(["explanation", "defence"]).best
    assert (best > 0.87).all()
    assert report.table.exact.notna().any()
    assert "95%" in report.summary()[1] or "agrees on" in report.summary()[1]
