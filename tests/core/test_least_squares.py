from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge import _core
from divulge.reference import least_squares as reference


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 4), st.integers(1, 12), st.integers(0, 9), st.integers(1, 3), st.integers(0, 2**20))
def test_solutions_are_the_twins(count, n, more, k, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((count, n + more, n)), rng.standard_normal((count, n + more, k))
    x, residuals, conditions = _core.least_squares(a, b)
    expected, expected_residuals = reference.least_squares(a, b)
    assert x.shape == (count, n, k)
    good = conditions > 1e-6
    np.testing.assert_allclose(x[good], expected[good], atol=1e-7)
    np.testing.assert_allclose(residuals[good], expected_residuals[good], atol=1e-7)


def test_threads_change_no_bit(on_threads):
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((5, 40, 30)), rng.standard_normal((5, 40, 2))
    one, two = (on_threads(n, lambda: _core.least_squares(a, b)) for n in (1, 2))
    for x, y in zip(one, two, strict=True):
        np.testing.assert_array_equal(x, y)


def test_dependent_columns_are_reported():
    a = np.ones((1, 4, 2))
    x, _, conditions = _core.least_squares(a, np.ones((1, 4, 1)))
    assert conditions[0] == 0
    assert np.isnan(x).all()


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match="at least as many rows as columns, got 2 by 3"):
        _core.least_squares(np.zeros((1, 2, 3)), np.zeros((1, 2, 1)))
    with pytest.raises(ValueError, match=r"b of shape \(1, 4, k\), got \(1, 3, 1\)"):
        _core.least_squares(np.zeros((1, 4, 3)), np.zeros((1, 3, 1)))
    with pytest.raises(ValueError, match=r"a of shape \(count, m, n\), got \(4, 3\)"):
        _core.least_squares(np.zeros((4, 3)), np.zeros((1, 3, 1)))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 10), st.integers(0, 8), st.integers(0, 2**20))
def test_sign_patterns_are_the_twins(h, more, seed):
    rng = np.random.default_rng(seed)
    jumps = rng.standard_normal((h, h + more))
    beta = rng.integers(0, 2, h)
    found = _core.sign_pattern(jumps, -beta @ jumps, 1e-5)
    expected = reference.sign_pattern(jumps, -beta @ jumps, 1e-5)
    if found.condition > 1e-8:
        assert found.binary
        assert expected.binary
        np.testing.assert_allclose(found.beta, beta, atol=1e-5)
        np.testing.assert_allclose(found.beta, expected.beta, atol=1e-5)


def test_a_gradient_that_is_no_pattern():
    jumps = np.random.default_rng(1).standard_normal((3, 6))
    for gradient in (-0.5 * jumps[0], np.ones(6)):
        assert not _core.sign_pattern(jumps, gradient).binary
        assert not reference.sign_pattern(jumps, gradient).binary


def test_more_jumps_than_inputs():
    with pytest.raises(ValueError, match=r"at most as many jumps as inputs \(2\), got 3"):
        _core.sign_pattern(np.zeros((3, 2)), np.zeros(2))
