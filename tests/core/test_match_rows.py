from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge import _core
from divulge.reference.match_rows import match_rows as twin


def segments(n, units, h, share, seed, dtype=np.float64):
    """Partial rows of random units: rows, masks, offsets, unit of each, factor of each."""
    rng = np.random.default_rng(seed)
    whole, unit = rng.standard_normal((units, h + 1)), rng.integers(0, units, n)
    factors = rng.choice([-1.0, 1.0], n) * np.exp(rng.standard_normal(n))
    scaled = (factors[:, None] * whole[unit]).astype(dtype)
    masks = rng.random((n, h)) < share
    return np.where(masks, scaled[:, :h], np.nan), masks, scaled[:, h], unit, factors


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 80), st.integers(1, 6), st.integers(0, 12), st.floats(0.1, 1), st.integers(0, 999))
def test_groups_are_the_twins(n, units, h, share, seed):
    rows, masks, offsets, *_ = segments(n, units, h, share, seed)
    labels, factors = _core.match_rows(rows, masks, offsets)
    expected, expected_factors = twin(rows, masks, offsets)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_allclose(factors, expected_factors, rtol=1e-7)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 70), st.integers(1, 6), st.integers(1, 4), st.integers(0, 999))
def test_contradictions_are_the_twins(n, h, overlap, seed):
    """Small whole numbers agree by chance in many ways, so that most joins meet a contradiction."""
    rng = np.random.default_rng(seed)
    rows, offsets = rng.integers(-2, 3, (n, h)), rng.integers(-1, 2, n)
    masks = rng.random((n, h)) < 0.6
    labels, factors = _core.match_rows(rows, masks, offsets, 1e-9, overlap)
    expected, expected_factors = twin(rows, masks, offsets, 1e-9, overlap)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_allclose(factors, expected_factors, rtol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-7)])
def test_units_are_told_apart(dtype, tolerance):
    rows, masks, offsets, unit, factors = segments(300, 20, 60, 0.3, 1, dtype)
    labels, found = _core.match_rows(rows, masks, offsets, tolerance)
    _, firsts = np.unique(labels, return_index=True)
    np.testing.assert_array_equal(unit[firsts][labels], unit)
    assert len(firsts) == 20
    np.testing.assert_allclose(found, factors / factors[firsts][labels], rtol=1e3 * np.finfo(dtype).eps)


def test_labels_count_from_the_first_row():
    rows = [[1, 2, 3], [3, 2, 1], [2, 4, 6], [-3, -2, -1], [0, 0, 1]]
    labels, factors = _core.match_rows(rows, np.ones((5, 3)), [1, 0, 2, 0, 0])
    np.testing.assert_array_equal(labels, [0, 1, 0, 1, 2])
    np.testing.assert_allclose(factors, [1, 1, 2, -1, 1])


def test_the_offset_takes_the_factor_too():
    rows = [[1, 2, 3], [-2, -4, -6]]
    assert _core.match_rows(rows, np.ones((2, 3)), [1, -2])[0].tolist() == [0, 0]
    assert _core.match_rows(rows, np.ones((2, 3)), [1, 2])[0].tolist() == [0, 1]
    assert _core.match_rows(rows, np.ones((2, 3)), [0, 1e-3])[0].tolist() == [0, 1]


def test_no_match_through_a_third_row_that_fits_both():
    """Rows 0 and 1 differ in their first entry, which row 2 does not know."""
    rows, masks = [[1, 1, 1, 1], [9, 1, 1, 1], [0, 1, 1, 1]], np.ones((3, 4), bool)
    masks[2, 0] = False
    for match in (_core.match_rows, twin):
        assert match(rows, masks, np.zeros(3))[0].tolist() == [0, 1, 0]


def test_short_overlaps_and_empty_rows_say_nothing():
    masks = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]], bool)
    rows = np.ones((3, 5))
    assert _core.match_rows(rows, masks, np.zeros(3), overlap=3)[0].tolist() == [0, 1, 2]
    assert _core.match_rows(rows, masks, np.zeros(3), overlap=2)[0].tolist() == [0, 0, 1]
    zero = np.array([[1, 0, 0, 0, 0.0], [0, 1, 1, 1, 0]])
    assert _core.match_rows(zero, masks[:2], np.zeros(2), overlap=2)[0].tolist() == [0, 1]


def test_threads_change_no_bit(on_threads):
    rows, masks, offsets, *_ = segments(400, 30, 40, 0.4, 2)
    one, two = (on_threads(n, lambda: _core.match_rows(rows, masks, offsets)) for n in (1, 2))
    for x, y in zip(one, two, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((2, 3)), np.ones((1, 3)), np.zeros(2)), "2 masks, got 1"),
        ((np.ones((2, 3)), np.ones((2, 4)), np.zeros(2)), "3 columns of the masks, got 4"),
        ((np.ones((2, 3)), np.ones((2, 3)), np.zeros(3)), "2 offsets, got 3"),
        (([[1.0], [np.inf]], np.ones((2, 1)), np.zeros(2)), "finite numbers, got inf in row 1"),
        ((np.ones((2, 3)), np.ones((2, 3)), [0.0, np.nan]), "got the offset nan of row 1"),
        ((np.ones((2, 3)), np.ones((2, 3)), np.zeros(2), 0.0), "tolerance between 0 and 1, got 0"),
        ((np.ones((2, 3)), np.ones((2, 3)), np.zeros(2), 1e-9, 0), "overlap of at least 1, got 0"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        _core.match_rows(*arguments)
