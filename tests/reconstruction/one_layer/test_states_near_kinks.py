"""States that a blunt hyperplane leaves open are read off the answers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from divulge.reconstruction.one_layer.states_near_kinks import settle_states, shifts
from divulge.reconstruction.settings import STATES


def spanned(seed: int, answers: int, units: int):
    """States of some units, and a basis of what is orthogonal to the gradients they make."""
    rng = np.random.default_rng(seed)
    states = rng.uniform(size=(answers, units)) < 0.5
    columns = np.column_stack([np.ones(answers), states])
    rank = np.linalg.matrix_rank(columns)
    return rng, states, np.linalg.svd(columns)[0][:, rank:]


@given(st.integers(0, 1000), st.integers(40, 80), st.integers(1, 12), st.integers(0, STATES.most_open))
def test_wrong_entries_near_the_hyperplane_are_settled(seed, answers, units, wrong):
    rng, states, complement = spanned(seed, answers, units)
    levels = np.where(states[:, 0], 1.0, -1.0) * rng.uniform(1, 2, answers)
    entries = rng.choice(answers, wrong, replace=False)
    levels[entries] *= -1e-3  # predicted on the wrong side, but nearer than the blur
    found, off = settle_states(levels[None], np.full((1, answers), 0.1), complement, np.full(1, 1e-6))
    assert off[0] < 1e-6
    np.testing.assert_array_equal(found[0], states[:, 0])


def test_entries_that_are_certain_stay():
    _, states, complement = spanned(0, 60, 8)
    levels = np.where(states[:, 0], 1.0, -1.0)
    levels[7] *= -1
    found, off = settle_states(levels[None], np.zeros((1, 60)), complement, np.full(1, 1e-6))
    assert found[0, 7] != states[7, 0]
    assert off[0] > 0.1


@given(st.integers(0, 1000), st.floats(-0.9, 0.9))
def test_shifts_put_every_point_on_its_side(seed, moved):
    levels = np.random.default_rng(seed).uniform(-1, 1, (3, 20))
    states = levels + moved > 0
    found = shifts(levels, states)
    np.testing.assert_array_equal(levels + found[:, None] > 0, states)


def test_no_shift_for_states_in_the_wrong_order():
    assert np.isnan(shifts(np.array([[-1.0, 1.0]]), np.array([[True, False]]))).all()
