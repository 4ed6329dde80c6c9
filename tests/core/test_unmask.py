import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge import _core
from divulge.reference.unmask import unmask as twin

DTYPES = st.sampled_from([np.float32, np.float64])


@settings(deadline=None, max_examples=80)
@given(
    st.integers(0, 70),
    st.integers(1, 3),
    st.integers(0, 40),
    st.floats(0, 1),
    st.booleans(),
    DTYPES,
    DTYPES,
    st.sampled_from([0, 1, 3]),
    st.integers(0, 2**63 - 1),
)
def test_is_the_twin(n, channels, size, share, top, dtype, other, kinds, seed):
    """With few kinds of values most coordinates are equal to others."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((n, channels * size)).astype(dtype)
    draw = rng.integers(-kinds, kinds + 1, inputs.shape) if kinds else rng.standard_normal(inputs.shape)
    attribution = draw.astype(other)
    fill = rng.standard_normal(channels * size).astype(dtype)
    arguments = (inputs, attribution, fill, round(share * size), top, channels, seed)
    got = _core.unmask(*arguments)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, twin(*arguments))


@pytest.mark.parametrize("scale", [1e-45, 1e-38, 1e30])
def test_sizes_at_the_ends_of_the_range(scale):
    attribution = (np.arange(1, 10, dtype=np.float32) * np.float32(scale))[None]
    inputs, fill = np.ones((1, 9), np.float32), np.zeros(9, np.float32)
    got = _core.unmask(inputs, attribution, fill, 4)
    np.testing.assert_array_equal(got, [[0] * 5 + [1] * 4])


def test_threads_change_nothing(on_threads):
    rng = np.random.default_rng(0)
    attribution = rng.integers(0, 5, (1000, 30)).astype(np.float32)
    inputs, fill = rng.random((1000, 30)), np.zeros(30)
    one, four = (on_threads(n, lambda: _core.unmask(inputs, attribution, fill, 7)) for n in (1, 4))
    np.testing.assert_array_equal(one, four)
    assert ((one != 0).sum(1) == 7).all()


def test_outputs_that_are_still_used_are_left_alone():
    attribution, fill = np.arange(12.0).reshape(3, 4), np.zeros(4)
    inputs = [np.full((3, 4), value) for value in (1.0, 2.0, 3.0)]
    first = _core.unmask(inputs[0], attribution, fill, 4)
    row = _core.unmask(inputs[1], attribution, fill, 4)[0]  # a view refers to the whole
    chained = _core.unmask(_core.unmask(inputs[2], attribution, fill, 4), attribution, fill, 2)
    np.testing.assert_array_equal(first, inputs[0])
    np.testing.assert_array_equal(row, inputs[1][0])
    np.testing.assert_array_equal(chained, [[0, 0, 3, 3]] * 3)


@pytest.mark.parametrize("spoil", [lambda out: out.setflags(write=False), lambda out: out.resize(4, 3)])
def test_memory_of_an_output_that_was_changed_is_not_taken_again(spoil):
    arguments = (np.ones((3, 4)), np.arange(12.0).reshape(3, 4), np.zeros(4), 1)
    spoil(_core.unmask(*arguments))
    np.testing.assert_array_equal(_core.unmask(*arguments), [[0, 0, 0, 1]] * 3)


def test_memory_of_the_last_output_is_taken_again():
    arguments = (np.ones((3, 4)), np.arange(12.0).reshape(3, 4), np.zeros(4), 1)
    places = {_core.unmask(*arguments).ctypes.data for _ in range(3)}
    assert len(places) == 1
    held = [_core.unmask(*arguments) for _ in range(3)]
    assert len({out.ctypes.data for out in held}) == 3


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_names_the_input_that_is_not_finite(value):
    attribution = np.zeros((5, 4))
    attribution[3, 2] = value
    with pytest.raises(ValueError, match="of input 3"):
        _core.unmask(np.zeros((5, 4)), attribution, np.zeros(4), 1)


@pytest.mark.parametrize(
    ("shapes", "count", "channels", "message"),
    [
        (((2, 6), (3, 6), (6,)), 1, 1, "expected 2 attributions, got 3"),
        (((2, 6), (2, 5), (6,)), 1, 1, "expected 6 coordinates of the attribution, got 5"),
        (((2, 6), (2, 6), (5,)), 1, 1, "expected 6 numbers to fill with, got 5"),
        (((2, 6), (2, 6), (6,)), 7, 1, "at most 6 coordinates, got 7"),
        (((2, 6), (2, 6), (6,)), 1, 4, "divides 6, got 4"),
        (((2, 6), (2, 6), (6,)), 1, 0, "divides 6, got 0"),
        (((6,), (2, 6), (6,)), 1, 1, "expected inputs of shape"),
    ],
)
def test_refuses_what_does_not_fit(shapes, count, channels, message):
    with pytest.raises(ValueError, match=message):
        _core.unmask(*(np.zeros(shape) for shape in shapes), count, True, channels)
