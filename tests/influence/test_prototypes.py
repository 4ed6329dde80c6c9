from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from divulge import Influence
from divulge.influence import fit_linear, prototypes
from divulge.influence.kernels import FisherKernel, RbfKernel
from divulge.influence.quadrature import by_quadrature, chosen_criticisms, greedy_mmd


class Table:
    """A kernel that is written down."""

    def __init__(self, features, points):
        self.features, self.noise = features, 1e-10
        self.diagonal = (features**2).sum(1)
        self.target = features @ points.mean(0)
        self.prior = float(points.mean(0) @ points.mean(0))

    def column(self, row):
        return self.features @ self.features[row]


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    return Table(rng.normal(size=(30, 8)), rng.normal(size=(9, 8)) + 1)


def variance(kernel, rows):
    """prior - z' K^-1 z, solved for anew."""
    matrix, target = kernel.features[rows] @ kernel.features[rows].T, kernel.target[rows]
    return kernel.prior - target @ np.linalg.solve(matrix, target)


def test_each_choice_lowers_the_variance_most(table):
    found = by_quadrature(table, 6, np.ones(30, bool))
    for k in range(6):
        before = found.rows[:k]
        tried = {i: variance(table, [*before, i]) for i in range(30) if i not in before}
        assert found.rows[k] == min(tried, key=tried.get)
        assert found.variances[k] == pytest.approx(tried[found.rows[k]], rel=1e-9)


def test_it_ends_where_nothing_is_left(table):
    found = by_quadrature(table, 30, np.ones(30, bool))
    assert (len(found.rows), found.stopped) == (8, "explained")
    assert found.variances[-1] < 1e-10


def test_samples_that_say_the_same_count_once(table):
    table.features[1:20] = table.features[0]
    table.__init__(table.features, table.features[:3])
    found = by_quadrature(table, 5, np.ones(30, bool))
    assert found.rows == [0]  # of ties the first


def test_mmd_grows_most(table):
    found = greedy_mmd(table, 5, np.ones(30, bool))

    def value(rows):
        k = table.features[rows] @ table.features[rows].T
        return 2 * table.target[rows].mean() - k.mean()

    for k in range(5):
        before = found.rows[:k]
        tried = {i: value([*before, i]) for i in range(30) if i not in before}
        assert found.rows[k] == max(tried, key=tried.get)
        assert found.variances[k] == pytest.approx(max(table.prior - tried[found.rows[k]], 0), rel=1e-9)


def test_criticisms_are_far_off_and_apart():
    features = np.eye(5)[[0, 0, 1, 2, 3]]
    witness = np.array([5.0, 5.0, -4.0, 0.1, 0.0])
    found = chosen_criticisms(Table(features, features), witness, 3, np.ones(5, bool))
    assert found.rows == [0, 2, 3]  # not the copy of the first


def fitted(seed=0, n=120, decay=0.02, dtype=np.float64):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + 40, 5)).astype(dtype)
    y = (x[:, :3] + 0.5 * rng.normal(size=(n + 40, 3))).argmax(1)
    return fit_linear(x[:n], y[:n], 3, weight_decay=decay), (x[:n], y[:n]), (x[n:], y[n:])


@pytest.mark.parametrize("network", [False, True])
def test_the_fisher_kernel_is_that_of_gradients_and_fisher_matrix(network):
    module, train, test = fitted()
    if network:
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double().eval()
    influence = Influence(module, train, curvature="fisher", solver="direct", damping=0.1)
    kernel = FisherKernel(influence, influence.checked(test))
    gradients, others = influence.gradients(train), influence.gradients(test)
    size = gradients.shape[1]
    matrix = influence.hvp(np.eye(size)) + 0.1 * np.eye(size)
    full = gradients @ np.linalg.solve(matrix, gradients.T)
    np.testing.assert_allclose(kernel.diagonal, full.diagonal(), rtol=1e-7)
    np.testing.assert_allclose(kernel.column(7), full[7], rtol=1e-7, atol=1e-9)
    mean = others.mean(0)
    np.testing.assert_allclose(kernel.target, gradients @ np.linalg.solve(matrix, mean), rtol=1e-7, atol=1e-9)
    assert kernel.prior == pytest.approx(mean @ np.linalg.solve(matrix, mean), rel=1e-7)


def test_its_mean_is_the_mean_influence():
    module, train, test = fitted()
    influence = Influence(module, train, curvature="fisher", solver="direct", damping=0.1)
    kernel = FisherKernel(influence, influence.checked(test))
    np.testing.assert_allclose(kernel.target, -influence.scores(test).mean(0), rtol=1e-9, atol=1e-12)
    found = prototypes(influence, test, 4, method="influence", of="targets")
    np.testing.assert_array_equal(found.rows, np.argsort(influence.scores(test).mean(0))[:4])


def test_the_rbf_kernel():
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    kernel = RbfKernel(x, x[:1], width=5.0)
    np.testing.assert_allclose(kernel.column(0), [1, np.exp(-0.5)])
    np.testing.assert_allclose(kernel.target, [1, np.exp(-0.5)])
    assert kernel.prior == 1
    assert RbfKernel(np.ones((4, 2)), np.ones((1, 2))).width == 1  # constant inputs
    far = RbfKernel(x + 1e8, x[:1] + 1e8, width=5.0)
    np.testing.assert_allclose(far.target, kernel.target, atol=1e-7)
    np.testing.assert_allclose(far.column(1), kernel.column(1), atol=1e-7)
    with pytest.raises(ValueError, match="expected points of 2 numbers like the inputs, got 3"):
        RbfKernel(x, np.ones((1, 3)))


def test_planted_clusters_are_met():
    rng = np.random.default_rng(0)
    member = np.arange(120) % 6
    x = 3 * np.eye(8)[member] + 0.1 * rng.normal(size=(120, 8))
    module = fit_linear(x, member % 2, 2, weight_decay=0.05)
    influence = Influence(module, (x, member % 2), curvature="fisher", solver="direct", damping=0.05)
    found = prototypes(influence, (x, member % 2), 6)
    assert sorted(member[found.rows]) == list(range(6))
    assert (np.diff(found.unexplained) < 0).all()
    assert (found.weights > 0).all()


def test_weights_and_witness_are_those_of_the_quadrature():
    module, train, test = fitted()
    influence = Influence(module, train, curvature="fisher", solver="direct", damping=0.1)
    found = prototypes(influence, test, 5, positive=False, of="targets", criticisms=3)
    kernel = FisherKernel(influence, influence.checked(test))
    columns = np.array([kernel.column(row) for row in found.rows])
    np.testing.assert_allclose(columns[:, found.rows] @ found.weights, kernel.target[found.rows], rtol=1e-7)
    np.testing.assert_allclose(found.witness, kernel.target - found.weights @ columns, atol=1e-10)
    left = 1 - kernel.target[found.rows] @ found.weights / kernel.prior
    assert found.unexplained[-1] == pytest.approx(left, rel=1e-7)
    assert not set(found.rows) & set(found.criticisms)
    frame = found.to_frame()
    assert list(frame["kind"]) == ["prototype"] * 5 + ["criticism"] * 3
    assert isinstance(frame, pd.DataFrame)
    assert "prototype" in found._repr_html_()


def test_predictions_take_the_labels_that_the_model_names():
    module, train, (x, y) = fitted()
    influence = Influence(module, train, curvature="fisher", solver="direct", damping=0.1)
    named = module(torch.from_numpy(x)).argmax(1).numpy()
    assert (named != y).any()
    found, same = prototypes(influence, (x, y), 4), prototypes(influence, (x, named), 4, of="targets")
    np.testing.assert_array_equal(found.rows, same.rows)
    np.testing.assert_array_equal(found.weights, same.weights)


@pytest.mark.parametrize("curvature", ["ekfac", "kfac"])
def test_closed_forms_and_single_precision(curvature):
    module, train, test = fitted(dtype=np.float32)
    influence = Influence(module, train, curvature=curvature, damping=0.1)
    found, again = prototypes(influence, test, 4), prototypes(influence, test, 4)
    assert len(set(found.rows)) == 4
    kernel = FisherKernel(influence, influence.checked(test))
    assert kernel.column(7)[7] == pytest.approx(kernel.diagonal[7], rel=1e-4)
    np.testing.assert_array_equal(found.rows, again.rows)


def test_only_those_allowed_are_chosen():
    module, train, test = fitted()
    influence = Influence(module, train, curvature="fisher", solver="direct", damping=0.1)
    for method in ("quadrature", "mmd", "influence"):
        found = prototypes(influence, test, 3, method=method, among=np.arange(40, 60), criticisms=2)
        assert set(found.rows) | set(found.criticisms) <= set(range(40, 60))


def test_an_interruption_returns_what_was_found():
    module, train, test = fitted()
    influence = Influence(module, train, curvature="fisher", solver="direct", damping=0.1)
    full = prototypes(influence, test, 5)

    def stop(done, _):
        if done == 2:
            raise KeyboardInterrupt

    for method in ("quadrature", "mmd", "influence"):
        found = prototypes(influence, test, 5, progress=stop, method=method, criticisms=2)
        assert (len(found.rows), len(found.weights), found.stopped) == (2, 2, "interrupted")
    np.testing.assert_array_equal(prototypes(influence, test, 5, progress=stop).rows, full.rows[:2])


def test_gradients_that_cancel_are_said():
    module, train, _ = fitted(decay=1e-6)
    influence = Influence(module, train, curvature="fisher", solver="direct", damping=0.1)
    with pytest.raises(ValueError, match=r"gradients of these 120 points cancel out .* ask about one class"):
        prototypes(influence, train, 3, of="targets")


def test_numbers_in_the_place_of_classes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    y = x @ np.array([[1.0], [2.0], [0.0]]) + 1
    module = fit_linear(x[:40], y[:40], 1, loss="squared", weight_decay=0.1)
    influence = Influence(module, (x[:40], y[:40]), loss="squared", curvature="fisher", solver="direct")
    assert len(prototypes(influence, (x[40:], y[40:] + 2), 3).rows) == 3


def test_prototypes_are_drawn():
    module, train, test = fitted()
    influence = Influence(module, train, curvature="fisher", solver="direct", damping=0.1)
    found = prototypes(influence, test, 3, criticisms=2)
    assert found.plot(np.random.default_rng(0).random((120, 4, 4))).shape == (2, 3)


def test_bad_input_is_named():
    module, train, test = fitted()
    influence = Influence(module, train, curvature="fisher", solver="direct", damping=0.1)
    for options, message in (
        ({"method": "x"}, "expected a method quadrature, mmd, influence, got 'x'"),
        ({"of": "x"}, "expected of= predictions or targets, got 'x'"),
        ({"criticisms": -1}, "expected criticisms as a whole number from 0 to 120, got -1"),
        ({"among": [120]}, "expected rows from 0 to 119, got 120"),
        ({"among": []}, "expected among= at least one training sample, got none"),
        ({"among": [1, 2]}, "expected count as a whole number from 1 to 2, got 3"),
        ({"method": "mmd", "width": 0.0}, "expected a width above 0, got 0.0"),
        ({"width": 2.0}, "width= is of the kernel of method='mmd', got 2.0 for 'quadrature'"),
    ):
        with pytest.raises(ValueError, match=message):
            prototypes(influence, test, 3, **options)
    for count in (0, 121, True, 2.5):
        with pytest.raises(ValueError, match="expected count as a whole number from 1 to 120"):
            prototypes(influence, test, count)
    wrong = np.where(np.arange(200).reshape(40, 5) == 7, np.nan, test[0])
    with pytest.raises(ValueError, match="expected finite test inputs, row 1"):
        prototypes(influence, (wrong, test[1]), 3)


def test_it_says_where_no_sample_speaks_for_what_is_left(table):
    found = by_quadrature(table, 30, np.arange(30) < 3)
    assert (len(found.rows), found.stopped) == (3, "exhausted")
    opposed = Table(-np.abs(table.features), np.abs(table.features[:3]))
    assert by_quadrature(opposed, 3, np.ones(30, bool), positive=True).stopped == "exhausted"
    assert len(by_quadrature(opposed, 3, np.ones(30, bool)).rows) == 3


def test_one_logit_and_texts():
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    x, y = rng.normal(size=(40, 5)), rng.integers(0, 2, 40)
    one = nn.Sequential(nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 1)).double().eval()
    influence = Influence(one, (x, y), curvature="ekfac", damping=0.01)
    named = (one(torch.from_numpy(x)).detach().numpy()[:, 0] > 0).astype(int)
    found, same = prototypes(influence, (x, y), 3), prototypes(influence, (x, named), 3, of="targets")
    np.testing.assert_array_equal(found.rows, same.rows)
    texts = rng.integers(0, 7, (30, 6))
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 7)).double().eval()
    read = Influence(model, (texts[:, :-1], texts[:, 1:]), curvature="ekfac", damping=0.01)
    assert len(prototypes(read, (texts[:5, :-1], texts[:5, 1:]), 3, positive=False).rows) == 3
