from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge import _core
from divulge.reference.network import DenseNetwork

SIZES = st.lists(st.integers(1, 19), min_size=2, max_size=5)
DTYPES = st.sampled_from([np.float32, np.float64])


def both(layers, sizes, seed, dtype):
    layers = layers(sizes, seed, dtype)
    native = _core.DenseNetwork32 if dtype == np.float32 else _core.DenseNetwork64
    return native(*layers), DenseNetwork(*layers, dtype=dtype)


@settings(deadline=None, max_examples=60)
@given(SIZES, DTYPES, st.integers(0, 300), st.integers(0, 2**20))
def test_values_and_gradients_are_the_twins(compiled, layers, sizes, dtype, n, seed):
    native, twin = both(layers, sizes, seed, dtype)
    points = np.random.default_rng(seed + 1).standard_normal((n, sizes[0])).astype(dtype)
    output = seed % sizes[-1]
    tolerance = 2e-5 if dtype == np.float32 else 1e-12
    values, gradients = compiled.values_and_gradients(*layers(sizes, seed, dtype), points, output)
    assert values.dtype == gradients.dtype == dtype
    of_output, expected_gradients = twin.values_and_gradients(points, output)
    np.testing.assert_allclose(values, twin.values(points), atol=tolerance)
    np.testing.assert_allclose(native.values_and_gradients(points, output)[0], of_output, atol=tolerance)
    if dtype == np.float64:  # in float32 a unit may be on in one and off in the other
        np.testing.assert_allclose(gradients, expected_gradients, atol=tolerance)
    else:
        near = np.abs(gradients - expected_gradients).max(axis=1, initial=0) < tolerance
        assert near.sum() >= n - 2


@settings(deadline=None, max_examples=40)
@given(SIZES, DTYPES, st.integers(0, 9), st.integers(0, 2**20))
def test_lines_are_the_twins(layers, sizes, dtype, m, seed):
    native, twin = both(layers, sizes, seed, dtype)
    u, v = np.random.default_rng(seed + 1).standard_normal((2, sizes[0])).astype(dtype)
    t = np.random.default_rng(seed + 2).standard_normal(m).astype(dtype)
    values, slopes = native.values_and_slopes_on_line(u, v, t, seed % sizes[-1])
    expected_values, expected_slopes = twin.values_and_slopes_on_line(u, v, t, seed % sizes[-1])
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    np.testing.assert_allclose(values, expected_values, atol=tolerance)
    if dtype == np.float64:
        np.testing.assert_allclose(slopes, expected_slopes, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [[5, 3], [30, 40, 2], [30, 20, 20, 2]])
def test_the_number_of_threads_changes_no_bit(layers, on_threads, sizes, dtype):
    native, _ = both(layers, sizes, 1, dtype)
    points = np.random.default_rng(2).standard_normal((777, sizes[0])).astype(dtype)
    one = on_threads(1, lambda: native.values_and_gradients(points, 1))
    two = on_threads(2, lambda: native.values_and_gradients(points, 1))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    np.testing.assert_array_equal(on_threads(1, lambda: native.values(points)), native.values(points))


def test_a_unit_at_exactly_zero_passes_no_gradient():
    native = _core.DenseNetwork64([[[1.0]], [[1.0]]], [[0.0], [0.0]])
    values, gradients = native.values_and_gradients([[0.0], [1.0]], 0)
    assert values.tolist() == [0, 1]
    assert gradients.tolist() == [[0], [1]]


def test_nan_is_passed_on(layers):
    native, _ = both(layers, [2, 3, 1], 1, np.float64)
    assert np.isnan(native.values([[np.nan, 1.0]])).all()


def test_attributes(layers):
    native, _ = both(layers, [7, 5, 4, 3], 1, np.float32)
    assert (native.input_size, native.output_size, native.hidden_sizes) == (7, 3, [5, 4])


def test_wrong_arguments_are_named(layers):
    native, _ = both(layers, [7, 5, 3], 1, np.float64)
    with pytest.raises(ValueError, match=r"shape \(n, 7\), got \(2, 6\)"):
        native.values(np.zeros((2, 6)))
    with pytest.raises(ValueError, match="output below 3, got 3"):
        native.values_and_gradients(np.zeros((2, 7)), 3)
    with pytest.raises(ValueError, match="layer 1: expected 5 inputs, got 4"):
        _core.DenseNetwork64([np.zeros((5, 7)), np.zeros((3, 4))], [np.zeros(5), np.zeros(3)])
    with pytest.raises(ValueError, match="as many biases as weights"):
        _core.DenseNetwork64([np.zeros((5, 7))], [])
    with pytest.raises(ValueError, match="at least one layer"):
        _core.DenseNetwork64([], [])
