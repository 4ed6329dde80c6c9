"""Open entries from the middle of what states allow."""

from __future__ import annotations

import numpy as np
import pytest

from divulge.reconstruction.deep.wide.middle import Barrier, centred, middle
from divulge.reconstruction.settings import MIDDLE

NOTHING = np.empty((0, 2)), np.empty(0)


def states_of(truth, count, rng):
    """What the states of one unit at random places ask of its entries."""
    matrix = rng.standard_normal((count, len(truth)))
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    levels = rng.standard_normal(count)
    sign = np.sign(matrix @ truth + levels)
    return sign[:, None] * matrix, sign * levels


@pytest.mark.parametrize("seed", range(5))
def test_every_state_holds_and_what_is_told_stays(seed):
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(5)
    states = [states_of(truth[:2], 30, rng), states_of(truth[2:2], 0, rng), states_of(truth[2:], 40, rng)]
    basis = np.linalg.qr(rng.standard_normal((5, 2)))[0].T
    y = middle(states, basis, basis @ truth)
    np.testing.assert_allclose(basis @ y, basis @ truth, atol=1e-9)
    assert (states[0][0] @ y[:2] + states[0][1] > 0).all()
    assert (states[2][0] @ y[2:] + states[2][1] > 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_state_that_turns_out_otherwise_cuts_off_much(seed):
    rng = np.random.default_rng(seed)
    truth, asked = rng.uniform(-2, 2, 2), [states_of(np.zeros(2), 0, rng)[0], np.empty(0)]
    for _ in range(25):
        y = middle([tuple(asked)], *NOTHING)
        # the worst cut through the centre
        way = (truth - y) / np.linalg.norm(truth - y)
        asked = [
            np.vstack([asked[0], way]),
            np.append(asked[1], -way @ y),
        ]
    assert np.linalg.norm(middle([tuple(asked)], *NOTHING) - truth) < 1e-2


def test_larger_entries_are_taken_where_states_need_them():
    y = middle([(np.array([[1.0, 0.0]]), np.array([-2 * MIDDLE.largest[0]]))], *NOTHING)
    assert MIDDLE.largest[1] > y[0] > 2 * MIDDLE.largest[0]


@pytest.mark.parametrize("room", [1e-8, 1e-6, 1e-3])
def test_a_place_that_two_states_leave_next_to_no_room_at_is_kept_or_bettered(room):
    matrix, start = np.array([[1.0, 1.0], [-1.0, -1.0]]), np.array([0.1, 0.2])
    levels = np.array([room, room]) - matrix @ start
    barrier = Barrier([(matrix, levels)], np.empty(0, np.intp), 1e3)
    y = centred(barrier, NOTHING[0], start)
    assert barrier.value(y) <= barrier.value(start)


@pytest.mark.parametrize("share", [0.985, 0.995, 0.9999])
def test_states_hold_though_they_need_entries_right_below_a_bound(share):
    need = share * MIDDLE.largest[0]
    y = middle([(np.array([[1.0, 0.0]]), np.array([-need]))], *NOTHING)
    assert y[0] > need


def test_states_that_no_entries_make_give_none():
    assert middle([(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([-1.0, -1.0]))], *NOTHING) is None


def test_nothing_open_is_nothing():
    assert len(middle([(np.empty((0, 0)), np.empty(0))], np.empty((0, 0)), np.empty(0))) == 0
