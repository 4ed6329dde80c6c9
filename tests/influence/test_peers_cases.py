"""What kronfluence and curvlinops are tested on: shapes, layers and losses, each right or refused by name.

Exact curvatures and EK-FAC are held against matrices that are formed whole in float64.
"""

from __future__ import annotations

from collections import UserDict

import numpy as np
import pytest
import torch
from dense_outputs import whole
from peers_cases import BCE, CASES, CE, MSE, Case, numbers, squares
from peers_modules import FromDict, mlp
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from divulge import Influence
from divulge.influence import Task

N, TESTS, DAMPING = 7, 3, 0.5


def problem(case, seed=0):
    """Return a module in float64, and training and test data as arrays."""
    torch.manual_seed(seed)
    module = case.make().double().eval()
    rng = np.random.default_rng(seed)
    n = N + TESTS
    y = case.targets(rng, n)
    if not case.tokens:
        x = rng.uniform(0, 1, (n, *case.shape))
        return module, (x[:N], y[:N]), (x[N:], y[N:])
    lengths = rng.integers(2, case.shape[-1] + 1, (n, *case.shape[:-1], 1))
    x = {
        "input_ids": rng.integers(0, 6, (n, *case.shape)),
        "attention_mask": (np.arange(case.shape[-1]) < lengths).astype(np.int64),
    }
    parts = [{k: v[rows] for k, v in x.items()} for rows in (slice(0, N), slice(N, n))]
    return module, (parts[0], y[:N]), (parts[1], y[N:])


def reference(case, module, *sets):
    """Return the matrices and gradients."""
    tensors = [
        (
            {k: torch.as_tensor(v) for k, v in x.items()} if isinstance(x, dict) else torch.as_tensor(x),
            torch.as_tensor(y),
        )
        for x, y in sets
    ]
    call = case.task.get("call") or ((lambda m, x: m(**x)) if case.tokens else None)
    return whole(module, *tensors, case.truth, case.of[1], call)


def asked(case, module, train, curvature, **more):
    return Influence(
        module, train, task=Task(loss=case.loss, **case.task), curvature=curvature, damping=DAMPING, **more
    )


@pytest.mark.parametrize("name", CASES)
def test_exact_curvatures(name):
    case = CASES[name]
    module, train, test = problem(case)
    truth = reference(case, module, train, test)
    for curvature in ("hessian", "gauss_newton"):
        influence = asked(case, module, train, curvature, tolerance=1e-12)
        found = influence.hvp(np.eye(len(truth.hessian)))
        expected = getattr(truth, curvature)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
        if np.linalg.eigvalsh(expected)[0] + DAMPING > 1e-3:
            scores, right = influence.scores(test, of=case.of[0]), truth.scores(DAMPING, curvature)
            np.testing.assert_allclose(scores, right, rtol=0, atol=1e-8 * np.abs(right).max())
        else:
            with pytest.raises(ValueError, match="would do"):
                influence.scores(test)


def slots(place):
    """Return where the numbers of a layer's matrix (h, d + 1) lie in the vector of parameters."""
    h, d, begin, bias, transposed = place
    weight = begin + np.arange(h * d)
    matrix = weight.reshape(d, h).T if transposed else weight.reshape(h, d)
    return matrix if bias is None else np.c_[matrix, bias + np.arange(h)]


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.closed])
def test_ekfac(name, lower):
    """Its eigenvalues are the Fisher matrix's diagonal in its bases; scores are those of that matrix."""
    case = CASES[name]
    module, train, test = problem(case)
    truth = reference(case, module, train, test)
    influence = asked(case, module, train, "ekfac", lower=lower)
    fitted = influence._inverse.kronecker
    damped = np.zeros_like(truth.gauss_newton)
    covered = []
    for u, v, values, place in zip(fitted.outer, fitted.inner, fitted.values, fitted.places, strict=True):
        at = slots(place).ravel()
        basis = np.kron(u, v)
        diagonal = np.diag(basis.T @ truth.gauss_newton[np.ix_(at, at)] @ basis)
        np.testing.assert_allclose(np.ravel(values), diagonal, rtol=0, atol=1e-10 * diagonal.max())
        damped[np.ix_(at, at)] = (basis * (diagonal + DAMPING)) @ basis.T
        covered.append(at)
    assert sorted(np.concatenate(covered)) == list(range(len(damped)))
    expected = -truth.test @ np.linalg.solve(damped, truth.train.T)
    found = influence.scores(test, of=case.of[0])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["linear, outputs", "linear, one output"])
def test_kfac_is_exact_for_linear_networks(name):
    """The loss's Hessian is the same for all samples, so that each layer's block is a Kronecker product."""
    case = CASES["linear, outputs"]
    if name == "linear, one output":
        case = Case(
            lambda: nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 1)), (6,), numbers(1), "squared", squares
        )
    module, train, test = problem(case)
    truth = reference(case, module, train, test)
    influence = asked(case, module, train, "kfac")
    expected = np.zeros_like(truth.gauss_newton)
    for place in influence._inverse.kronecker.places:
        at = slots(place).ravel()
        expected[np.ix_(at, at)] = truth.gauss_newton[np.ix_(at, at)]
    np.testing.assert_allclose(
        influence.hvp(np.eye(len(expected))), expected, atol=1e-10 * np.abs(expected).max()
    )


REFUSED = {
    "dropout": (lambda: nn.Sequential(nn.Linear(10, 5), nn.Dropout(), nn.Linear(5, 2)), "training mode|eval"),
    "batch norm": (
        lambda: nn.Sequential(nn.Linear(10, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)),
        "training mode|eval",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_random_is_refused(name):
    make, told = REFUSED[name]
    x, y = torch.rand(12, 10), torch.randint(0, 2, (12,))
    with pytest.raises(ValueError, match=told):
        Influence(make().train(), (x, y))


def test_a_loader_that_drops_and_shuffles_is_read_as_its_data_set():
    torch.manual_seed(0)
    data, module = TensorDataset(torch.rand(12, 10), torch.randint(0, 2, (12,))), mlp(10, 5, 2).eval()
    loader = DataLoader(data, 5, shuffle=True, drop_last=True)
    found, expected = (Influence(module, train, damping=2.0).scores(data[:3]) for train in (loader, data))
    np.testing.assert_array_equal(found, expected)
    assert found.shape == (3, 12)


@pytest.mark.parametrize("kind", [CE, MSE, BCE])
def test_closed_forms_of_torchs_losses_are_refused(kind):
    """They draw labels from the model, which a function of outputs and targets does not say how to."""
    targets = {CE: torch.randint(0, 3, (9,)), MSE: torch.rand(9, 3), BCE: torch.ones(9, 3)}[kind]
    with pytest.raises(ValueError, match=r"cross_entropy.*squared|likelihood"):
        Influence(mlp(10, 5, 3).eval(), (torch.rand(9, 10), targets), loss=kind(), curvature="ekfac")


def test_another_kind_of_dict_is_a_dict():
    module, x, y = FromDict(2).double().eval(), torch.rand(8, 10).double(), torch.randint(0, 2, (8,))
    task = Task(call=lambda m, batch: m(batch))
    test = {"x": x[:2]}, y[:2]
    plain = Influence(module, ({"x": x}, y), task=task, damping=2.0).scores(test)
    other = Influence(module, (UserDict({"x": x}), y), task=task, damping=2.0).scores(test)
    np.testing.assert_array_equal(other, plain)
