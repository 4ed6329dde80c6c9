import numpy as np
import pytest
import torch
from torch import nn

import divulge
from divulge.attributions.from_values import Occlusion, Shap
from divulge.attributions.lime import Lime
from divulge.oracles import Answers
from divulge.surrogate.explanation_errors import estimates, explanation_errors
from divulge.surrogate.losses import NEARBY, AnswerTensors

VICTIM = divulge.Victim(nn.Linear(6, 3, dtype=torch.float64), (6,))


def told(oracle):
    points = np.random.default_rng(0).standard_normal((2000, 6))
    return AnswerTensors.of(oracle.explain(points), torch.float64)


@pytest.mark.parametrize("kind", [divulge.LabelOracle, divulge.ProbabilityOracle])
def test_labels_and_probabilities_hold_nearby(kind):
    here = told(kind(VICTIM))
    assert 0.95 * NEARBY < here.reach < 1.05 * NEARBY
    there = here.nearby(torch.Generator().manual_seed(1))
    assert float((there.x - here.x).std()) == pytest.approx(float(here.reach), rel=0.05)
    for name in ("outputs", "labels", "probabilities"):
        assert getattr(there, name) is getattr(here, name)


@pytest.mark.parametrize(
    "kind", [divulge.GradientOracle, divulge.SaliencyOracle, divulge.ValueOracle, divulge.SmoothGradOracle]
)
def test_values_and_explanations_stay_where_they_are(kind):
    here = told(kind(VICTIM))
    assert here.nearby(torch.Generator().manual_seed(1)) is here


def test_a_step_makes_lime_anew_of_some_answers_and_occlusion_of_all():
    rng = np.random.default_rng(0)
    points, outputs = rng.normal(size=(64, 5)), np.zeros(64, np.intp)
    torch.manual_seed(0)
    module = torch.nn.Linear(5, 2).double()
    row = module.weight[0].detach().numpy()
    for attribution, told, count in (
        (Lime(samples=100), np.tile(row, (64, 1)), 16),
        (Occlusion(), points * row, 64),
    ):
        answers = Answers(points, outputs, explanations=told, attribution=attribution)
        tensors = AnswerTensors.of(answers, torch.float64)
        logits, sides = estimates(module, tensors, (5,), torch.Generator().manual_seed(0))
        assert len(logits) == 64
        assert [len(side) for side in sides] == [count] * len(sides)
        for side in sides:
            np.testing.assert_allclose(side.detach().numpy(), told[:count], atol=1e-6)
        errors = explanation_errors(module, tensors, (5,), torch.Generator().manual_seed(0))[1]
        assert all(float(error.detach().abs().max()) < 1e-5 for error in errors)


@pytest.mark.parametrize("attribution", [Shap(), Occlusion()])
def test_a_defence_leaves_no_answer_out_of_what_is_told_of_each_number(attribution):
    points = np.random.default_rng(0).normal(size=(40, 90))
    answers = Answers(
        points,
        np.zeros(40, np.intp),
        explanations=points,
        attribution=attribution,
        imitations=(lambda mine, told: mine,),
    )
    module = torch.nn.Linear(90, 2).double()
    tensors = AnswerTensors.of(answers, torch.float64)
    _, errors = explanation_errors(module, tensors, (90,), torch.Generator().manual_seed(0))
    assert [len(error) for error in errors] == [40] * len(errors)
