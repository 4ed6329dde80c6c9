"""Entries in place of those that show nowhere, within a bound."""

from __future__ import annotations

import numpy as np

from divulge.reconstruction.deep.wide.chosen_rows import margin_solution


def test_states_come_out_by_the_largest_margin_that_the_bound_allows():
    y = margin_solution(np.array([[1.0], [1.0]]), np.array([-5.0, 1.0]), largest=10.0)
    np.testing.assert_allclose(y, [10.0])


def test_states_that_need_larger_entries_than_allowed_give_none():
    assert margin_solution(np.array([[1.0]]), np.array([-5.0]), largest=2.0) is None


def test_no_state_known_chooses_nothing():
    np.testing.assert_array_equal(margin_solution(np.empty((0, 3)), np.empty(0)), np.zeros(3))
