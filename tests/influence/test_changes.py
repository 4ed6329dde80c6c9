"""Modules that are changed after the influence was made, and influences that are sent elsewhere."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest
import torch
from dense_influence import dense
from torch import nn

from divulge import Influence
from divulge.influence import NotConverged


def moved(module):
    with torch.no_grad():
        module[1].weight += 0.1


def loaded(module):
    module.load_state_dict({name: 1.1 * t for name, t in module.state_dict().items()})


def replaced(module):
    module[1].weight = nn.Parameter(module[1].weight.detach() * 0.9)


def by_data(module):
    module[1].bias.data.mul_(2.0)


def hooked(module):
    module[1].register_forward_hook(lambda layer, args, z: 1.2 * z)


def other_layer(module):
    module[2] = nn.Tanh()


def trained(module):
    optimizer = torch.optim.SGD(module.parameters(), lr=0.3)
    x, y = torch.ones(2, 1, 6, 6, dtype=torch.float64), torch.tensor([0, 2])
    nn.functional.cross_entropy(module(x), y).backward()
    optimizer.step()


CHANGES = [moved, loaded, replaced, by_data, hooked, other_layer, trained]


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_the_next_call_is_about_the_module_as_it_is(make, change, lower):
    module, train, test = make("mlp", n=12)
    influence = Influence(module, train, curvature="gauss_newton", damping=0.5, lower=lower, tolerance=1e-12)
    before, v = influence.scores(test), np.ones(influence.operator.parameters)
    change(module)
    truth = dense(module, train, test)
    expected = truth.scores(0.5, "gauss_newton")
    assert np.abs(expected - before).max() > 1e-3 * np.abs(before).max()
    np.testing.assert_allclose(influence.hvp(v), v @ truth.gauss_newton, atol=1e-9)
    np.testing.assert_allclose(influence.scores(test), expected, atol=1e-8)
    inverse = np.linalg.inv(truth.gauss_newton + 0.5 * np.eye(len(v)))
    self_influence = np.einsum("ij,jk,ik->i", truth.train, inverse, truth.train)
    np.testing.assert_allclose(influence.self_influence([3]), self_influence[[3]], rtol=1e-7)


@pytest.mark.parametrize("curvature", ["ekfac", "hessian"])
def test_what_was_fitted_before_is_dropped(make, curvature):
    module, train, test = make("mlp", n=12)
    solver = "direct" if curvature == "hessian" else None
    options = {"train": train, "curvature": curvature, "solver": solver, "damping": 2.0}
    influence = Influence(module, **options)
    influence.scores(test)
    moved(module)
    np.testing.assert_array_equal(influence.scores(test), Influence(module, **options).scores(test))


def test_frozen_parameters_buffers_and_modes_count(make):
    module, train, test = make("cnn", n=12)
    options = {"train": train, "damping": 1.0, "parameters": ["5"], "curvature": "gauss_newton"}
    influence = Influence(module, **options)
    influence.scores(test)
    for change in (lambda: module[0].weight.data.mul_(2), lambda: module[1].running_mean.add_(0.3)):
        change()
        np.testing.assert_allclose(influence.scores(test), Influence(module, **options).scores(test))
    module.train()
    for _ in range(2):
        with pytest.raises(ValueError, match="'1' is in training mode"):
            influence.scores(test)
    module.eval()
    np.testing.assert_allclose(influence.scores(test), Influence(module, **options).scores(test))


CASES = {
    "native": ("mlp", {}),
    "torch": ("cnn", {"curvature": "gauss_newton"}),
    "direct": ("logistic", {"solver": "direct"}),
    "lissa": ("logistic", {"solver": "lissa", "batch_size": 8, "tolerance": 0.05}),
    "nystroem": ("logistic", {"solver": "nystroem", "tolerance": 0.5}),
    "kfac": ("mlp", {"curvature": "kfac"}),
    "ekfac by torch": ("mlp", {"curvature": "ekfac", "lower": False}),
    "a loss of torch": ("mlp", {"loss": nn.CrossEntropyLoss(), "curvature": "gauss_newton"}),
}


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_influences_can_be_pickled(make, case, used):
    name, options = CASES[case]
    module, train, test = make(name, n=20)
    influence = Influence(module, train, **{"damping": 4.0, **options})
    expected = influence.scores(test)
    if not used:
        influence = Influence(module, train, **{"damping": 4.0, **options})
    copy = pickle.loads(pickle.dumps(influence))
    assert repr(copy) == repr(influence)
    np.testing.assert_array_equal(copy.scores(test), expected)
    np.testing.assert_array_equal(copy.self_influence([2, 5]), influence.self_influence([2, 5]))
    moved(copy.module) if name == "mlp" else None
    np.testing.assert_array_equal(influence.scores(test), expected)


def test_processes_share_the_work(make):
    module, train, (x, y) = make("mlp", n=20)
    influence = Influence(module, train, damping=4.0)
    parts = joblib.Parallel(n_jobs=2)(
        joblib.delayed(influence.scores)((x[part], y[part])) for part in (slice(0, 3), slice(3, 7))
    )
    np.testing.assert_allclose(np.concatenate(parts), influence.scores((x, y)), rtol=1e-6)


def test_threads_take_turns(make):
    module, train, (x, y) = make("cnn", n=20)
    influence = Influence(module, train, damping=4.0)
    expected, parameters = influence.scores((x, y)), list(module.parameters())
    parts = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(influence.gradients)((x[i : i + 1], y[i : i + 1])) for i in range(7)
    )
    np.testing.assert_allclose(np.concatenate(parts), influence.gradients((x, y)), rtol=1e-9)
    np.testing.assert_array_equal(influence.scores((x, y)), expected)
    assert all(a is b for a, b in zip(module.parameters(), parameters, strict=True))


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "direct", "tolerance": 1e-17},
        {"solver": "cg", "max_iterations": 1},
    ],
    ids=["direct", "cg"],
)
def test_self_influence_says_where_it_is_not_exact(make, options):
    module, train, test = make("logistic", n=20)
    influence = Influence(module, train, **{"damping": 0.1, **options})
    with pytest.warns(NotConverged, match="of 7 solutions with a relative residual"):
        influence.scores(test)
    with pytest.warns(NotConverged, match="solutions with a relative residual"):
        influence.self_influence()
