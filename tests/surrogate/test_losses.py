import numpy as np
import pytest
import torch
from torch import nn

import divulge
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
