"""Pieces of a channel, put together."""

from __future__ import annotations

import numpy as np

from divulge.reconstruction.convolutional.rows import Row
from divulge.reconstruction.convolutional.window import Fragment

CHANNEL = np.random.default_rng(1).standard_normal(20)


def piece(first, end, factor=1.0, weights=CHANNEL):
    known = np.zeros(20, bool)
    known[first:end] = True
    return Fragment(np.where(known, factor * weights, 0.0), known, 0.0, 9)


def row_of(found):
    return Row(found.weights.copy(), found.known.copy())


def test_pieces_of_one_channel_become_it():
    row = row_of(piece(0, 12))
    other = piece(8, 20, factor=-3.0)
    assert row.shares(other, 1e-6)
    assert row.join(other)
    assert row.whole
    assert np.allclose(row.weights, CHANNEL)


def test_a_channel_that_was_added_to_may_be_aimed_at_again():
    row = row_of(piece(0, 12))
    row.missed = 1
    row.join(piece(2, 9))
    assert row.missed == 1
    row.join(piece(8, 16))
    assert row.missed == 0


def test_a_piece_with_nothing_new_is_said_to_have_none():
    row = row_of(piece(0, 12))
    assert not row.join(piece(2, 9, factor=2.0))
    assert row.known.sum() == 12


def test_too_few_common_entries_decide_nothing():
    assert not row_of(piece(0, 12)).shares(piece(9, 20), 1e-6)


def test_a_whole_channel_is_known_by_two_entries():
    assert row_of(piece(0, 20)).shares(piece(18, 20, factor=5.0), 1e-6)


def test_one_number_beside_zeros_is_no_agreement():
    """A depthwise filter is 0 but for one channel: in windows moved by a column 0s and the offset agree."""
    weights, other = np.zeros(20), np.zeros(20)
    weights[[2, 3, 19]], other[[8, 9, 19]] = [1.0, -2.0, 0.5], [2.0, 1.0, 0.7]
    known = np.ones(20, bool)
    known[[8, 9]] = False
    row = Row(np.where(known, weights, 0.0), known)
    unseen = ~np.isin(np.arange(20), [2, 3])
    assert not row.shares(Fragment(np.where(unseen, other, 0.0), unseen, 0.0, 9), 1e-6)


def test_another_channel_is_another():
    other = np.random.default_rng(2).standard_normal(20)
    assert not row_of(piece(0, 12)).shares(piece(4, 20, weights=other), 1e-6)
