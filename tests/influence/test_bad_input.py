from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from divulge import Influence
from divulge.errors import UnsupportedModel
from divulge.influence import SingularCurvature


def test_modules_that_cannot_be_used(make):
    module, train, _ = make()
    with pytest.raises(TypeError, match=r"expected a torch.nn.Module, got function"):
        Influence(lambda x: x, train)
    with pytest.raises(ValueError, match="Flatten has no parameters"):
        Influence(nn.Flatten(), train)
    with pytest.raises(ValueError, match="no parameter of Sequential requires gradients"):
        Influence(module.requires_grad_(False), train)


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.BatchNorm1d(3)])
def test_layers_in_training_mode(make, layer):
    module, train, _ = make()
    module = nn.Sequential(module, layer).double()
    with pytest.raises(
        ValueError, match=rf"{type(layer).__name__} '1' is in training mode.*call module.eval"
    ):
        Influence(module.train(), train)
    Influence(module.eval(), train)


def test_modules_that_fail_or_return_something_else(make):
    _, train, _ = make()
    with pytest.raises(UnsupportedModel, match=r"fails on inputs of shape \(2, 1, 6, 6\)"):
        Influence(nn.Linear(7, 2).double(), train)
    with pytest.raises(
        ValueError, match=r"one for each position of outputs \(n, 1, 6, 2\), got shape \(40,\)"
    ):
        Influence(nn.Linear(6, 2).double(), train)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(36, 1), nn.Flatten(0)).double()
    with pytest.raises(
        UnsupportedModel, match=r"outputs of shape \(n, K\) or .* for n = 2 inputs, got \(2,\)"
    ):
        Influence(flat, train)
    with pytest.raises(UnsupportedModel, match=r"float32 or float64, got torch\.float16"):
        Influence(nn.Linear(6, 2).half(), train)
    broken = nn.Sequential(nn.Flatten(), nn.Linear(36, 2)).double()
    broken[1].bias.data[1] = torch.nan
    with pytest.raises(ValueError, match=r"parameter '1.bias' holds a NaN"):
        Influence(broken, train)


def test_targets(make):
    module, (x, y), test = make()
    wrong = y.copy()
    wrong[17] = 3
    with pytest.raises(ValueError, match="training targets from 0 to 2, got 3 at row 17"):
        Influence(module, (x, wrong))
    with pytest.raises(
        ValueError, match=r"class numbers of shape \(n,\), got shape \(40,\) and dtype float64"
    ):
        Influence(module, (x, y.astype(float)))
    with pytest.raises(ValueError, match="expected 40 training targets, got 39"):
        Influence(module, (x, y[:-1]))
    with pytest.raises(ValueError, match=r"training targets of shape \(n, 3\), got \(40,\)"):
        Influence(module, (x, y), loss="squared")
    with pytest.raises(ValueError, match="module with one output for the smooth hinge, got 3"):
        Influence(module, (x, y), loss="smooth_hinge")
    one = nn.Sequential(nn.Flatten(), nn.Linear(36, 1)).double()
    with pytest.raises(ValueError, match="targets -1 and 1 for the smooth hinge, got 0 at row 2"):
        Influence(one, (x[:3], np.array([-1, 1, 0])), loss="smooth_hinge")
    influence = Influence(module, (x, y))
    with pytest.raises(ValueError, match="test targets from 0 to 2, got 9 at row 1"):
        influence.scores((test[0][:2], np.array([0, 9])))


def test_inputs(make):
    module, (x, y), test = make()
    x[5, 0, 2, 2] = np.nan
    with pytest.raises(ValueError, match="finite training inputs, row 5 holds a NaN"):
        Influence(module, (x, y))
    x[5] = 0
    with pytest.raises(TypeError, match=r"training data as \(inputs, targets\) or a Dataset, got int"):
        Influence(module, 3)
    with pytest.raises(ValueError, match="expected training data, got none"):
        Influence(module, (x[:0], y[:0]))
    influence = Influence(module, (x, y))
    with pytest.raises(TypeError, match=r"test data as \(inputs, targets\) or a Dataset, got Tensor"):
        influence.scores(torch.from_numpy(x))
    with pytest.raises(
        ValueError, match=r"test inputs of shape \(m, 1, 6, 6\) like the training data, got \(7, 36\)"
    ):
        influence.scores((test[0].reshape(7, 36), test[1]))
    test[0][3, 0, 0, 0] = np.inf
    with pytest.raises(ValueError, match="finite test inputs, row 3 holds"):
        influence.scores(test)


def test_numbers_and_names(make):
    module, train, test = make()
    for arguments, message in [
        ({"damping": -1}, "damping of at least 0, got -1"),
        ({"damping": float("nan")}, "damping of at least 0, got nan"),
        ({"weight_decay": -0.1}, "weight_decay of at least 0, got -0.1"),
        ({"curvature": "newton"}, "curvature hessian, .*, got 'newton'"),
        ({"solver": "lu"}, "solver cg, .*, got 'lu'"),
        ({"loss": "hinge"}, "loss cross_entropy, .* or a function, got 'hinge'"),
        ({"loss": "smooth_hinge", "temperature": -1}, "temperature of at least 0, got -1"),
        ({"rank": 0}, "rank as a whole number of at least 1, got 0"),
        ({"max_iterations": 2.5}, "max_iterations as a whole number of at least 1, got 2.5"),
        ({"tolerance": 0.0}, "tolerance above 0, got 0.0"),
        ({"tolerance": float("nan")}, "tolerance above 0, got nan"),
        ({"parameters": ["5"]}, "parameters among 1.weight, .*, got '5'"),
        ({"parameters": []}, "at least one name in parameters="),
    ]:
        with pytest.raises(ValueError, match=message):
            Influence(module, train, **arguments)
    influence = Influence(module, train, damping=1)
    for call, message in [
        (lambda: influence.hvp(np.zeros(5)), r"vectors of shape \(163,\) or \(m, 163\), got \(5,\)"),
        (lambda: influence.solve(np.full(163, np.nan)), "finite vectors"),
        (
            lambda: influence.scores(test, of="score"),
            "of= loss, log_probability, margin, logit or a function, got 'score'",
        ),
        (lambda: influence.scores(test, groups=[1, 2]), r"groups as 40 numbers from 0 on, got shape \(2,\)"),
        (lambda: influence.top_k(test, 41), "whole k from 1 to 40, got 41"),
        (lambda: influence.top_k(test, 2.5), "whole k from 1 to 40, got 2.5"),
        (lambda: influence.scores(test, groups=[-1] * 40), "groups as 40 numbers from 0 on, got .* from -1"),
        (lambda: influence.self_influence([40]), "rows from 0 to 39, got 40"),
        (
            lambda: influence.self_influence([1.5]),
            r"rows as whole numbers of shape \(k,\), got float64 of shape \(1,\)",
        ),
        (lambda: influence.perturbation(test, rows=[-1]), "rows from 0 to 39, got -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_a_singular_hessian_names_a_damping_that_does(make):
    module, train, test = make("logistic", n=5)
    with pytest.raises(SingularCurvature, match="is singular") as caught:
        Influence(module, train, damping=0, solver="direct").scores(test)
    damping = caught.value.sufficient_damping
    assert np.isfinite(Influence(module, train, damping=damping, solver="direct").scores(test)).all()
