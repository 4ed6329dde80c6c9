from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from joblib import parallel_config
from torch import nn

from divulge import Influence
from divulge.influence import leave_one_out_retraining, linear_datamodeling_score, mislabel_curve

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((60, 4)), RNG.integers(0, 3, 60)
TEST_X, TEST_Y = X[:5] + 0.1, Y[:5]


def fit(rows):
    """Softmax regression, weight decay 0.1, the sum over the rows divided by 60, by Newton's method."""
    theta = np.zeros((3, 4))
    for _ in range(30):
        z = X[rows] @ theta.T
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        gradient = (p - np.eye(3)[Y[rows]]).T @ X[rows] / 60 + 0.1 * theta
        a = p[:, :, None] * (np.eye(3) - p[:, None, :])
        hessian = np.einsum("nab,ni,nj->aibj", a, X[rows], X[rows]).reshape(12, 12) / 60 + 0.1 * np.eye(12)
        theta -= np.linalg.solve(hessian, gradient.reshape(-1)).reshape(3, 4)
    return theta


def losses(rows):
    z = torch.from_numpy(TEST_X @ fit(rows).T)
    return nn.functional.cross_entropy(z, torch.from_numpy(TEST_Y), reduction="none").numpy()


@pytest.fixture(scope="module")
def influence():
    module = nn.Linear(4, 3, bias=False).double()
    module.weight.data = torch.from_numpy(fit(np.arange(60)))
    return Influence(module, (X, Y), solver="direct", damping=0.0, weight_decay=0.1)


def test_retraining_agrees_with_what_influences_predict(influence):
    rows = np.arange(0, 60, 3)
    actual = leave_one_out_retraining(losses, 60, rows, jobs=1)
    assert actual.shape == (5, 20)
    predicted = -influence.scores((TEST_X, TEST_Y))[:, rows] / 60
    step = influence.leave_one_out((TEST_X, TEST_Y))[:, rows]
    assert np.corrcoef(predicted.ravel(), actual.ravel())[0, 1] > 0.99
    first = np.corrcoef(step.ravel(), actual.ravel())[0, 1]
    assert first > np.corrcoef(predicted.ravel(), actual.ravel())[0, 1]


def test_threads_and_processes_of_joblib_give_the_same(influence):
    one = leave_one_out_retraining(losses, 60, [1, 2], jobs=1)
    with parallel_config(backend="threading", n_jobs=2):
        np.testing.assert_array_equal(leave_one_out_retraining(losses, 60, [1, 2], jobs=None), one)


def test_linear_datamodeling_score(influence):
    scores = influence.scores((TEST_X, TEST_Y))
    good = linear_datamodeling_score(scores, losses, subsets=30, seed=1, jobs=1)
    bad = linear_datamodeling_score(np.roll(scores, 7, axis=1), losses, subsets=30, seed=1, jobs=1)
    assert good.mean > 0.75
    assert good.mean > bad.mean + 0.5
    assert good.actual.shape == good.predicted.shape == (5, 30)
    again = linear_datamodeling_score(scores, losses, subsets=30, seed=1, jobs=1)
    np.testing.assert_array_equal(good.correlation, again.correlation)


@pytest.mark.parametrize("score", [True, False])
def test_what_was_measured_is_kept_when_it_ends_early(score, tmp_path):
    asked = []

    def measure(rows, most):
        if len(asked) == most:
            raise KeyboardInterrupt
        asked.append(tuple(rows))
        return losses(rows)

    def run(most, folder=tmp_path):
        one = partial(measure, most=most)
        if not score:
            return leave_one_out_retraining(one, 60, [3, 7, 9], jobs=1, folder=folder)
        found = linear_datamodeling_score(np.eye(5, 60), one, subsets=4, jobs=1, folder=folder)
        return found.actual

    with pytest.raises(KeyboardInterrupt):
        run(2)
    assert len(asked) == 2
    found = run(9)
    assert len(asked) == len(set(asked)) == 4
    np.testing.assert_array_equal(run(0), found)  # nothing is trained again
    asked.clear()
    np.testing.assert_array_equal(run(9, folder=None), found)


def test_losses_of_another_measure_in_a_folder_are_noticed(tmp_path):
    leave_one_out_retraining(losses, 60, [3], jobs=1, folder=tmp_path)
    with pytest.raises(ValueError, match=r"of each subset, got shapes \[\(2,\), \(5,\)\]; .* may keep"):
        leave_one_out_retraining(lambda rows: losses(rows)[:2], 60, [3, 4], jobs=1, folder=tmp_path)
    with pytest.raises(ValueError, match="expected 3 losses of each subset, one a row of scores, got 5"):
        linear_datamodeling_score(np.zeros((3, 60)), losses, subsets=2, jobs=1)


def test_mislabel_curve_by_hand():
    curve = mislabel_curve([0.1, 0.9, 0.5, 0.2], [1, 3])
    np.testing.assert_allclose(curve.checked, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(curve.found, [0, 0.5, 0.5, 1, 1])
    assert curve.found_at(0.75) == 1
    assert curve.area == pytest.approx(0.625)
    same = mislabel_curve([0.1, 0.9, 0.5, 0.2], [False, True, False, True])
    np.testing.assert_array_equal(curve.found, same.found)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"rows from 0 to 59, got 60"):
        leave_one_out_retraining(losses, 60, [60])
    with pytest.raises(ValueError, match=r"at least 2 subsets and a share between 0 and 1, got 5 and 1\.5"):
        linear_datamodeling_score(np.zeros((1, 60)), losses, subsets=5, share=1.5)
    with pytest.raises(ValueError, match=r"finite scores of shape \(m, n\), got shape \(60,\)"):
        linear_datamodeling_score(np.zeros(60), losses)
    with pytest.raises(ValueError, match="at least one flipped label among 3, got 0"):
        mislabel_curve([1, 2, 3], [])
    with pytest.raises(ValueError, match="finite suspicions"):
        mislabel_curve([1, np.nan, 3], [0])
