from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge import _core
from divulge.reference.masked_least_squares import masked_least_squares as twin

sizes = st.integers(0, 12)


def problems(n, h, d, seed, dtype, stacked=False):
    rng = np.random.default_rng(seed)
    basis = rng.standard_normal((n, h, d) if stacked else (h, d)).astype(dtype)
    return basis, rng.standard_normal((n, d)).astype(dtype), rng.random((n, h)) < 0.6


@settings(deadline=None, max_examples=80)
@given(
    st.integers(0, 40),
    sizes,
    sizes,
    st.booleans(),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 999),
)
def test_solutions_are_the_twins(compiled, n, h, d, stacked, dtype, seed):
    given_ = problems(n, h, d, seed, dtype, stacked)
    coefficients, residuals, ranks = compiled.masked_least_squares(*given_)
    expected, expected_residuals, expected_ranks = twin(*given_)
    assert coefficients.shape == (n, h)
    np.testing.assert_array_equal(ranks, expected_ranks)
    np.testing.assert_allclose(residuals, expected_residuals, atol=1e-9)
    scale = np.abs(expected).max(initial=1, axis=1, keepdims=True)
    np.testing.assert_allclose(coefficients / scale, expected / scale, atol=1e-9)
    assert not coefficients[~given_[2]].any()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 8), st.integers(1, 10), st.integers(1, 8), st.booleans(), st.integers(0, 999))
def test_dependent_rows_are_dropped_as_the_twin_does(compiled, n, h, rank, stacked, seed):
    rng = np.random.default_rng(seed)
    left = rng.integers(-2, 3, (n, h, rank) if stacked else (h, rank))
    basis = (left @ rng.integers(-2, 3, (rank, 9))).astype(float)  # zero rows and repeated rows among them
    targets, masks = rng.standard_normal((n, 9)), rng.random((n, h)) < 0.7
    coefficients, residuals, ranks = compiled.masked_least_squares(basis, targets, masks)
    expected = twin(basis, targets, masks)
    np.testing.assert_array_equal(ranks, expected[2])
    np.testing.assert_allclose(coefficients, expected[0], atol=1e-8)
    np.testing.assert_allclose(residuals, expected[1], atol=1e-9)
    assert (ranks <= rank).all()


def conditioned(h, d, condition, rng):
    u, v = (np.linalg.qr(rng.standard_normal((k, h)))[0] for k in (h, d))
    return (u * np.geomspace(1, 1 / condition, h)) @ v.T


@pytest.mark.parametrize("stacked", [False, True])
def test_accuracy_at_condition_1e4(compiled, stacked):
    rng = np.random.default_rng(3)
    basis, masks = conditioned(64, 100, 1e4, rng), rng.random((40, 64)) < 0.5
    coefficients = np.where(masks, rng.standard_normal(masks.shape), 0)
    targets = coefficients @ basis
    stack = np.repeat(basis[None], 40, axis=0) if stacked else basis
    found, residuals, ranks = compiled.masked_least_squares(stack, targets, masks)
    error = np.linalg.norm(found - coefficients, axis=1) / np.linalg.norm(coefficients, axis=1)
    assert error.max() < 1e-12
    assert residuals.max() < 1e-14
    np.testing.assert_array_equal(ranks, masks.sum(axis=1))


def test_a_composite_shows_in_the_residual(compiled):
    rng = np.random.default_rng(4)
    basis, mask = rng.standard_normal((6, 20)), np.array([[True, True, False, True, False, False]])
    clean = mask[0] * rng.standard_normal(6) @ basis
    assert compiled.masked_least_squares(basis, clean[None], mask)[1][0] < 1e-14
    assert compiled.masked_least_squares(basis, (clean + 0.01 * basis[2])[None], mask)[1][0] > 1e-3


def test_what_is_empty_is_zero(compiled):
    targets, masks = np.array([[0.0, 0, 0], [1, 1, 1]]), np.array([[True] * 2, [False] * 2])
    found, residuals, ranks = compiled.masked_least_squares(np.eye(2, 3), targets, masks)
    assert not found.any()
    np.testing.assert_array_equal(residuals, [0, 1])
    np.testing.assert_array_equal(ranks, [2, 0])
    lists = _core.masked_least_squares(np.eye(2, 3).tolist(), [[0, 0, 0], [1, 1, 1]], masks.tolist())
    np.testing.assert_array_equal(lists[2], ranks)


@pytest.mark.parametrize("stacked", [False, True])
def test_threads_change_no_bit(on_threads, stacked):
    given_ = problems(100, 30, 40, 1, np.float64, stacked)
    one, two = (on_threads(n, lambda: _core.masked_least_squares(*given_)) for n in (1, 2))
    for x, y in zip(one, two, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    ("basis", "targets", "masks", "message"),
    [
        (np.zeros((2, 3)), np.zeros((4, 5)), np.zeros((4, 2)), "3 columns of the targets, got 5"),
        (np.zeros((2, 3)), np.zeros((4, 3)), np.zeros((3, 2)), r"masks of shape \(4, 2\), got \(3, 2\)"),
        (
            np.zeros((5, 2, 3)),
            np.zeros((4, 3)),
            np.zeros((4, 2)),
            "one basis or 4 of them, one a problem, got 5",
        ),
        (
            np.zeros(3),
            np.zeros((4, 3)),
            np.zeros((4, 2)),
            r"basis of shape \(h, d\) or \(n, h, d\), got \(3,\)",
        ),
        (
            [[1.0], [np.nan]],
            np.zeros((4, 1)),
            np.zeros((4, 2)),
            "finite numbers, got nan in row 1 of the basis",
        ),
        (np.zeros((1, 1)), [[0.0], [-np.inf]], np.zeros((2, 1)), "got -inf in row 1 of the targets"),
    ],
)
def test_what_does_not_fit_is_named(basis, targets, masks, message):
    with pytest.raises(ValueError, match=message):
        _core.masked_least_squares(basis, targets, masks)


@pytest.mark.parametrize("tolerance", [-1e-3, 1.0, np.nan])
def test_refuses_a_tolerance_that_is_no_share(tolerance):
    with pytest.raises(ValueError, match=r"tolerance in \[0, 1\), got"):
        _core.masked_least_squares(np.eye(2), np.eye(2), np.eye(2), tolerance)
