"""A module of one output has two classes, by the sign of its logit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chains import relative_error
from dense_influence import dense
from torch import nn

from divulge import Influence
from divulge.influence import RandomProjection, fit_linear


def binary(z, y):
    return F.binary_cross_entropy_with_logits(z[:, 0], y.double())


@pytest.fixture
def problem():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 5)), rng.integers(0, 2, 30)
    module = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1)).double()
    return module, (x[:24], y[:24]), (x[24:], y[24:])


@pytest.mark.parametrize("curvature", ["hessian", "gauss_newton", "fisher"])
@pytest.mark.parametrize("targets", [np.int64, np.uint8, bool, np.float32, "column"])
def test_scores_are_those_of_the_binary_cross_entropy(problem, curvature, targets):
    module, (x, y), test = problem
    truth = dense(module, (x, y), test, binary)
    given = y[:, None].astype(float) if targets == "column" else y.astype(targets)
    influence = Influence(module, (x, given), curvature=curvature, damping=0.5, tolerance=1e-12)
    expected = truth.scores(0.5, "hessian" if curvature == "hessian" else "gauss_newton")
    assert np.abs(expected).max() > 1e-3
    assert relative_error(influence.scores(test), expected, floor=1e-6) < 1e-9


def test_margins_logits_and_ekfac(problem):
    module, train, test = problem
    influence = Influence(module, train, damping=0.5)
    signs = torch.as_tensor(2 * test[1] - 1)
    for of, function in (("margin", lambda z, _: z[:, 0] * signs), ("logit", lambda z, _: z[:, 0])):
        np.testing.assert_allclose(influence.scores(test, of), influence.scores(test, function), rtol=1e-9)
    truth = dense(module, train, test, binary)
    ekfac = Influence(module, train, curvature="ekfac", damping=0.5)
    size = ekfac.operator.parameters
    assert np.trace(ekfac.hvp(np.eye(size))) == pytest.approx(np.trace(truth.gauss_newton))
    expected = np.einsum("ij,ij->i", truth.train, ekfac.solve(truth.train).vectors)
    np.testing.assert_allclose(ekfac.self_influence(), expected, rtol=1e-9)
    assert np.isfinite(RandomProjection(module, train, dimension=8).scores(test)).all()


def test_other_labels_and_a_linear_fit_are_refused(problem):
    module, (x, y), _ = problem
    for wrong in (2 * y, y - 0.5):
        with pytest.raises(ValueError, match="training targets 0 and 1 for a module with one output, got"):
            Influence(module, (x, wrong))
    with pytest.raises(ValueError, match="at least 2 outputs for cross_entropy, got 1"):
        fit_linear(x, y, 1)
