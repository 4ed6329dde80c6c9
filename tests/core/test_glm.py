from __future__ import annotations

import numpy as np
import pytest
import torch
from chains import LOSSES, problem, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge import _core
from divulge.reference import glm

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 8))
BIASES = st.sampled_from(["all", "none"])
DTYPES = st.sampled_from([np.float32, np.float64])


@settings(deadline=None, max_examples=30)
@given(SHAPES, LOSSES, BIASES, st.integers(1, 600), DTYPES, st.integers(0, 999))
def test_the_hessian_and_the_leverages_are_the_twins(shape, loss, biases, n, dtype, seed):
    native, twin = problem(list(shape), loss, "relu", seed, n, dtype, biases=biases)
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    hessian = native.dense_hessian()
    assert hessian.dtype == np.float64
    assert relative_error(hessian, glm.dense_hessian(twin).numpy(), floor=1e-3) < tolerance
    inverse = np.linalg.inv(hessian + 0.1 * np.eye(len(hessian)))
    m, a = native.leverages(inverse)
    k = native.evaluate()[0].shape[1]
    expected = glm.leverages(twin, torch.tensor(inverse, dtype=twin.theta.dtype)).numpy()
    assert relative_error(m.reshape(n, k, k), expected, floor=1e-3) < 10 * tolerance
    assert relative_error(a.reshape(n, k, k), glm.loss_hessians(twin).numpy(), floor=1e-3) < tolerance


def test_no_samples():
    native, _ = problem([4, 3], "cross_entropy", "relu", 1, 0, np.float64)
    assert not native.dense_hessian().any()


def test_threads_change_no_bit(on_threads):
    for loss in ("cross_entropy", "squared"):
        native, _ = problem([20, 4], loss, "relu", 1, 3000, np.float32)
        one, two = on_threads(1, native.dense_hessian), on_threads(2, native.dense_hessian)
        np.testing.assert_array_equal(one, two)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 40), st.integers(0, 130), st.integers(0, 999))
def test_cholesky_solves_and_inverts(n, m, seed):
    rng = np.random.default_rng(seed)
    b = rng.standard_normal((n, n))
    a, vectors = b @ b.T + np.eye(n), rng.standard_normal((m, n))
    factor = a.copy()
    _core.cholesky(factor)
    assert relative_error(_core.cholesky_solve(factor, vectors) @ a, vectors, floor=1) < 1e-9
    _core.cholesky_inverse(factor)
    lower = np.tril(factor)
    assert relative_error((lower + np.tril(lower, -1).T) @ a, np.eye(n), floor=1) < 1e-9


def test_wrong_arguments_are_named():
    with pytest.raises(RuntimeError, match="leading minor of order 2 is not positive definite"):
        _core.cholesky(np.diag([1.0, -1.0]))
    with pytest.raises(ValueError, match=r"matrix of shape \(n, n\), got \(2, 3\)"):
        _core.cholesky(np.ones((2, 3)))
    with pytest.raises(ValueError, match="vectors of 2 numbers, got 3"):
        _core.cholesky_solve(np.eye(2), np.ones((1, 3)))
    deep, _ = problem([4, 3, 2], "squared", "relu", 1, 5, np.float64)
    with pytest.raises(ValueError, match="chain of one layer, got 2"):
        deep.dense_hessian()
    flat, _ = problem([4, 2], "squared", "relu", 1, 5, np.float64, biases="none")
    with pytest.raises(ValueError, match=r"inverse of shape \(8, 8\), got \(2, 2\)"):
        flat.leverages(np.eye(2))
