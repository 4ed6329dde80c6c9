import numpy as np
import pytest
import torch
from torch import nn

from divulge.training.class_scores import (
    ClassScores,
    class_scores,
    named_classes,
    outputs_as,
    precision,
    sided_scores,
)

Z = torch.tensor([-2.0, 0.5, 3.0])


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_one_output_is_the_log_odds_of_class_one(shape):
    outputs = Z.reshape(shape)
    torch.testing.assert_close(class_scores(outputs).softmax(dim=1)[:, 1], Z.sigmoid())
    assert sided_scores(outputs).tolist() == [[2.0, -2.0], [-0.5, 0.5], [-3.0, 3.0]]
    assert class_scores(outputs).argmax(dim=1).tolist() == [0, 1, 1]


def test_several_outputs_stay_as_they_are():
    outputs = torch.rand(4, 3, generator=torch.Generator().manual_seed(0))
    assert class_scores(outputs) is outputs
    assert sided_scores(outputs) is outputs


def test_a_module_that_returns_class_scores():
    module = ClassScores(nn.Linear(5, 1))
    x = torch.ones(2, 5)
    assert torch.equal(module(x), class_scores(module.module(x)))


def test_precision_is_that_of_the_parameters_else_of_the_inputs():
    assert precision(nn.Linear(2, 2).double(), torch.zeros(1)) == torch.float64
    assert precision(nn.ReLU(), torch.zeros(1, dtype=torch.float64)) == torch.float64
    assert precision(nn.ReLU(), torch.zeros(1, dtype=torch.uint8)) == torch.float32


@pytest.mark.parametrize("shape", [(), (3, 0), (3, 1, 2)])
def test_refuses_what_is_no_score(shape):
    with pytest.raises(ValueError, match=r"expected class scores of shape \(n, K\) or \(n,\), got"):
        class_scores(torch.zeros(shape))


def test_classes_are_named_by_the_largest_output_or_by_the_side_of_one():
    z = Z.double().numpy()
    assert named_classes(z).tolist() == named_classes(z[:, None]).tolist() == [0, 1, 1]
    assert named_classes(z, 0.5).tolist() == [0, 0, 1]
    assert named_classes(np.zeros((1, 1))).tolist() == [0]
    assert named_classes(np.array([[1.0, 3.0, 2.0], [4.0, 4.0, 0.0]])).tolist() == [1, 0]


@pytest.mark.parametrize(("one", "two"), [(Z[:, None], torch.stack([-Z / 2, Z / 2], dim=1))])
def test_one_logit_and_two_stand_for_each_other(one, two):
    torch.testing.assert_close(outputs_as(one, 2), two)
    torch.testing.assert_close(outputs_as(two + 7, 1), one)
    for outputs in (one, two):
        assert outputs_as(outputs, outputs.shape[1]) is outputs
    with pytest.raises(ValueError, match="expected 3 outputs, got 2"):
        outputs_as(two, 3)
