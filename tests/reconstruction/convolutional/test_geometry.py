"""Stride and padding from the places where windows were seen."""

from __future__ import annotations

import pytest

from divulge.reconstruction.convolutional.geometry import Place, clipped, grid_of


@pytest.mark.parametrize(
    ("starts", "known", "stride", "padding"),
    [
        ([0, 3, 4, 9], 0, 1, 0),
        ([-2, 1, 4], 0, 3, 2),
        ([0, 2, 6], 0, 2, 0),
        ([0, 2, 6], 1, 2, 2),  # one row of padding was seen at the end: windows at even places need two
        ([1, 3, 7], 0, 2, 1),
        ([-1, 3, 7], 2, 4, 5),
    ],
)
def test_windows_of_the_grid_begin_where_they_were_seen(starts, known, stride, padding):
    found = grid_of([Place(0, place, 5) for place in starts], (known, 0))
    assert (found[0][0], found[1][0]) == (stride, padding)
    assert all((place + padding) % stride == 0 for place in starts)


@pytest.mark.parametrize(
    ("starts", "kernel", "length", "padding"),
    [([0, 5, 7], 3, 10, 0), ([-2, 5], 3, 10, 2), ([0, 9], 3, 10, 2), ([-1, 8], 3, 10, 1), ([], 3, 10, 0)],
)
def test_padding_is_as_much_as_windows_that_were_seen_need(starts, kernel, length, padding):
    places = [Place(0, 0, start) for start in starts]
    assert clipped(places, (1, kernel), (1, length)) == (0, padding)
