"""Scores of single positions, such as tokens: against their own gradients, and their sum against scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from ranks import positions_main
from token_models import Tagger, texts
from torch import nn

from divulge import Influence
from divulge.influence import GradientStore, Task

POSITIONS = ["mean", "sum"]


def problem(positions, n=11, classes=5):
    module = Tagger(form="plain", classes=classes).double().eval()
    return module, texts(n, 0, classes), texts(3, 1, classes), Task(positions=positions)


@pytest.mark.parametrize("curvature", ["hessian", "gauss_newton", "ekfac"])
@pytest.mark.parametrize("positions", POSITIONS)
def test_each_is_that_of_its_own_gradient(positions, curvature):
    module, train, test, task = problem(positions)
    damping = 400.0 if curvature == "hessian" else 2.0  # which is indefinite
    influence = Influence(module, train, task=task, curvature=curvature, damping=damping, tolerance=1e-12)
    found = influence.position_scores(test)
    assert found.shape == (3, 11, 4)
    np.testing.assert_allclose(found.sum(2), influence.scores(test), rtol=0, atol=1e-10 * np.abs(found).max())
    solved = influence.solve(influence.gradients(test)).vectors
    (inputs, targets), parameters = train, list(module.parameters())
    for i, t in ((0, 0), (4, 1), (10, 3)):
        outputs = module(**{k: torch.as_tensor(v[i : i + 1]) for k, v in inputs.items()})[0, t]
        counted = (targets[i] != -100).sum() if positions == "mean" else 1
        if targets[i, t] == -100:
            assert not found[:, i, t].any()
            continue
        loss = nn.functional.cross_entropy(outputs, torch.as_tensor(targets[i, t])) / counted
        parts = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        gradient = torch.cat([part.reshape(-1) for part in parts]).numpy()
        np.testing.assert_allclose(
            found[:, i, t], -solved @ gradient, rtol=0, atol=1e-10 * np.abs(found).max()
        )
    np.testing.assert_allclose(
        influence.position_scores(test, [4, 0]), found[:, [4, 0]], rtol=1e-9, atol=1e-12
    )


def test_of_numbers_on_a_grid():
    torch.manual_seed(0)
    module, rng = nn.Conv2d(2, 3, 2).double().eval(), np.random.default_rng(0)
    module = nn.Sequential(module, Last())
    x, y = rng.standard_normal((9, 2, 4, 3)), rng.standard_normal((9, 3, 2, 3))
    influence = Influence(module, (x[:6], y[:6]), loss="squared", damping=0.1)
    found = influence.position_scores((x[6:], y[6:]))
    assert found.shape == (3, 6, 3, 2)
    np.testing.assert_allclose(
        found.sum((2, 3)), influence.scores((x[6:], y[6:])), atol=1e-8 * np.abs(found).max()
    )


class Last(nn.Module):
    def forward(self, z):
        return z.movedim(1, -1)


@pytest.mark.parametrize("damping", [None, 0.1])
@pytest.mark.parametrize("projection", ["two_sided", "random"])
@pytest.mark.parametrize("size", [2, 500])
def test_those_of_a_store_add_up_to_its_scores(projection, size, damping, tmp_path):
    module, train, test, task = problem("mean")
    influence = Influence(module, train, task=task)
    store = GradientStore(tmp_path, projection=projection, size=size)
    store.append(influence)
    found, scores = (
        store.position_scores(influence, test, damping=damping),
        store.scores(influence, test, damping=damping),
    )
    np.testing.assert_allclose(found.sum(2), scores, rtol=0, atol=1e-5 * np.abs(scores).max())
    if size == 500 and damping is None:  # nothing is left out: inner products of gradients
        identity = influence.gradients(test) @ influence.gradients(train).T
        np.testing.assert_allclose(found.sum(2), -identity, rtol=0, atol=1e-5 * np.abs(identity).max())


def test_what_has_no_positions_is_refused(make, tmp_path):
    module, train, test = make()
    with pytest.raises(ValueError, match="at several positions"):
        Influence(module, train, damping=400.0).position_scores(test)
    module, train, test, _ = problem("mean")
    task = Task(loss=lambda z, y: nn.functional.cross_entropy(z.mT, y, reduction="none").sum(1))
    with pytest.raises(ValueError, match="got the loss 'custom'"):
        Influence(module, train, task=task, damping=400.0).position_scores(test)
    influence, store = Influence(module, train), GradientStore(tmp_path, size=3, rank=1)
    store.append(influence)
    with pytest.raises(ValueError, match="a store of rank 1"):
        store.position_scores(influence, test)


def test_of_no_samples_they_have_the_shape(tmp_path):
    module, train, test, task = problem("mean")
    influence, store = Influence(module, train, task=task, damping=400.0), GradientStore(tmp_path)
    store.append(influence)
    assert influence.position_scores(test, []).shape == (3, 0, 4)
    assert store.position_scores(influence, test, []).shape == (3, 0, 4)


def test_two_ranks_give_what_one_gives(tmp_path):
    module, train, test, task = problem("mean")
    asked = [9, 2], [0, 1], [10], list(range(11))
    mp.spawn(positions_main, (str(tmp_path), module, train, test, task, asked), nprocs=2)
    alone = Influence(module, train, task=task, damping=400.0, tolerance=1e-12)
    for rank in (0, 1):
        for found, rows in zip(np.load(tmp_path / f"{rank}.npz").values(), asked, strict=True):
            expected = alone.position_scores(test, rows)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_what_has_no_positions_is_refused_before_a_solve(make, tmp_path):
    module, train, test = make()
    influence, store = Influence(module, train, damping=400.0), GradientStore(tmp_path, size=3)
    store.append(influence)
    for ask in (influence.position_scores, lambda points: store.position_scores(influence, points, [])):
        with pytest.raises(ValueError, match="at several positions"):
            ask(test)
    assert influence.solution is None
