from __future__ import annotations

import numpy as np
import pytest
import torch
from chains import ACTIVATION, LOSSES, SIZES, problem, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge.reference.kronecker import kronecker_eigenvalues, kronecker_factors, kronecker_quadratic


@settings(deadline=None, max_examples=25)
@given(
    SIZES,
    LOSSES,
    ACTIVATION,
    st.integers(0, 600),
    st.integers(1, 3),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 999),
)
def test_factors_and_eigenvalues_are_the_twins(sizes, loss, activation, n, labels, dtype, seed):
    native, twin = problem(sizes, loss, activation, seed, n, dtype)
    tolerance = 3e-4 if dtype == np.float32 else 1e-11
    rng = np.random.default_rng(seed)
    k = native.evaluate()[0].shape[1]
    cotangents = rng.standard_normal((n, labels * k)).astype(dtype)
    factors = native.kronecker_factors(cotangents)
    for mine, theirs in zip(factors, kronecker_factors(twin, torch.tensor(cotangents)), strict=True):
        assert relative_error(mine[0], theirs[0].numpy(), floor=1e-3) < tolerance
        assert relative_error(mine[1], theirs[1].numpy(), floor=1e-3) < tolerance
    inner = [np.linalg.qr(rng.standard_normal(a.shape))[0].astype(dtype) for a, _ in factors]
    outer = [np.linalg.qr(rng.standard_normal(b.shape))[0].astype(dtype) for _, b in factors]
    expected = kronecker_eigenvalues(
        twin, torch.tensor(cotangents), [torch.tensor(v) for v in inner], [torch.tensor(u) for u in outer]
    )
    for mine, theirs in zip(native.kronecker_eigenvalues(cotangents, inner, outer), expected, strict=True):
        assert relative_error(mine, theirs.numpy(), floor=1e-3) < tolerance
    weights = [rng.random((len(u), len(v))).astype(dtype) for u, v in zip(outer, inner, strict=True)]
    form = native.kronecker_quadratic(cotangents, inner, outer, weights)
    arrays = ([torch.tensor(a) for a in part] for part in (inner, outer, weights))
    expected_form = kronecker_quadratic(twin, torch.tensor(cotangents), *arrays).numpy()
    assert relative_error(form, expected_form, floor=1e-3) < tolerance


def test_threads_change_no_bit(on_threads):
    native, _ = problem([20, 15, 4], "cross_entropy", "relu", 1, 5000, np.float32)
    c = np.random.default_rng(0).standard_normal((5000, 8)).astype(np.float32)
    one = on_threads(1, lambda: native.kronecker_factors(c))
    two = on_threads(2, lambda: native.kronecker_factors(c))
    for pair, other in zip(one, two, strict=True):
        np.testing.assert_array_equal(pair[0], other[0])
        np.testing.assert_array_equal(pair[1], other[1])


def test_wrong_shapes_are_named():
    native, _ = problem([4, 3, 2], "cross_entropy", "relu", 1, 5, np.float64)
    with pytest.raises(ValueError, match=r"cotangents of shape \(5, S \* 2\), got \(5, 3\)"):
        native.kronecker_factors(np.zeros((5, 3)))
    with pytest.raises(ValueError, match="expected 2 pairs of bases, got 1 and 0"):
        native.kronecker_eigenvalues(np.zeros((5, 2)), [np.eye(2)], [])
    with pytest.raises(ValueError, match="expected bases of 2 layers, got 0"):
        native.kronecker_quadratic(np.zeros((5, 2)), [], [], [])
    with pytest.raises(ValueError, match="expected as many bases as weights"):
        native.kronecker_quadratic(np.zeros((5, 2)), [np.eye(2)], [], [])
    two = [np.eye(2), np.eye(2)]
    with pytest.raises(ValueError, match="bases of 3 and 5 vectors and as many weights"):
        native.kronecker_quadratic(np.zeros((5, 2)), two, two, two)
