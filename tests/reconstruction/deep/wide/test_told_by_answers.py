"""States that single wrong answers tell."""

from __future__ import annotations

import numpy as np
import pytest

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.equations import Equations
from divulge.reconstruction.deep.wide.finding import Finding
from divulge.reconstruction.deep.wide.told_by_answers import ToldStates
from divulge.reconstruction.deep.wide.units import Unit
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix

D, H, U = 6, 10, 5


def unit_of(known, row, offset, weight, unseen, rng):
    """What is known of a unit but for one entry, a place on its hyperplane among it."""
    equations = Equations(H)
    for feature in np.delete(np.arange(H), unseen):
        terms = np.zeros(H)
        terms[feature] = 1.0
        equations.add(terms, row[feature])
    points = rng.standard_normal((4000, D))
    features = known.prefix.features(points)
    off = np.flatnonzero(features[:, unseen] == 0)
    levels = features[off] @ row + offset
    pair = points[off[np.argmax(levels)]], points[off[np.argmin(levels)]]
    share = np.linspace(0, 1, 20001)[:, None]
    line = pair[0] * (1 - share) + pair[1] * share
    features = known.prefix.features(line)
    levels = np.abs(features @ row + offset) + 1e9 * (features[:, unseen] > 0)
    place = line[np.argmin(levels)]
    return Unit(equations, weight, [place]), float(-(known.prefix.features(place[None])[0] @ row))


@pytest.mark.parametrize("seed", range(4))
def test_a_wrong_answer_tells_the_state_of_the_unit_whose_open_entry_is_wrong(seed):
    rng = np.random.default_rng(seed)
    first = Dense(rng.standard_normal((H, D)), rng.standard_normal(H))
    known = Known(Prefix(D, [first]), open_sides=False)
    rows, weights = rng.standard_normal((U, H)), rng.standard_normal(U)
    unseen = rng.integers(0, H, U)
    rows[np.arange(U), unseen] = rng.choice([-9.0, 9.0], U)
    found = [
        unit_of(known, rows[k], 0.3 * rng.standard_normal(), weights[k], unseen[k], rng) for k in range(U)
    ]
    units, offsets = [unit for unit, _ in found], np.array([offset for _, offset in found])
    base = rng.standard_normal((1, H + 1))
    truth = DeepModel(known.prefix, Layer(np.column_stack([rows, offsets]), weights[None], base))
    guessed = rows.copy()
    guessed[np.arange(U), unseen] *= -1.0
    copy = DeepModel(known.prefix, Layer(np.column_stack([guessed, offsets]), weights[None], base))
    # entries that are wrong while the unit is on in both are the linear part's, and are left out here
    points = rng.standard_normal((3000, D))
    features = known.prefix.features(points)
    on, in_copy = features @ rows.T + offsets > 0, features @ guessed.T + offsets > 0
    usual = ((features[:, unseen] == 0) | (on != in_copy)).all(axis=1) & ((on != in_copy).sum(axis=1) < 3)
    points, on = points[usual], on[usual]
    told = ToldStates()
    wrong = np.abs(truth.pieces(points, 0) - copy.pieces(points, 0)).max(axis=1) > 1e-9
    assert told.add(known, units, copy, points[wrong], truth.pieces(points[wrong], 0)) > 20
    assert told.add(known, units, copy, points[wrong], truth.pieces(points[wrong], 0)) == 0
    for k in range(U):
        there, states = told.of(k, D)
        true = known.prefix.features(there) @ rows[k] + offsets[k] > 0
        assert (np.where(true, 1.0, -1.0) == states).all()


def test_what_was_told_both_ways_counts_for_nothing():
    told = ToldStates()
    told._of[3] = {np.zeros(2).tobytes(): 0.0, np.ones(2).tobytes(): 1.0}
    points, states = told.of(3, 2)
    assert points.tolist() == [[1.0, 1.0]]
    assert states.tolist() == [1.0]
    assert told.of(0, 2)[0].shape == (0, 2)


def two_inputs(rng):
    """A search behind a layer of two inputs with one unit, the entry of whose last feature is open.

    Also points where that is on, and which entry is the unit's border there, in rising order of it.
    """
    first = Dense(rng.standard_normal((4, 2)), rng.standard_normal(4))
    search = Finding(None, Lines(2, None, rng), Known(Prefix(2, [first]), open_sides=False))
    row, equations = rng.standard_normal(4), Equations(4)
    for feature in range(3):
        equations.add(np.eye(4)[feature], row[feature])
    points = 3 * rng.standard_normal((500, 2))
    features = search.known.prefix.features(points)
    place = points[np.argmax((features[:, 3] == 0) & (features.any(axis=1)))]
    search.units.append(Unit(equations, 1.0, [place]))
    search.settled = search.star  # what it would search for is told here
    shown = points[features[:, 3] > 0.5]
    terms = search.known.terms(shown) - search.units[0].anchor(search.known)
    borders = -(terms @ search.units[0].row) / terms[:, 3]
    order = np.argsort(borders)
    return search, shown[order], borders[order]


@pytest.mark.parametrize("seed", range(4))
def test_what_no_entries_make_is_discarded_and_the_rest_stays(seed):
    search, shown, borders = two_inputs(np.random.default_rng(seed))
    before, _ = search.rows(by_answers=True)
    assert borders[0] < borders[-1]
    search.told._of[0] = {shown[0].tobytes(): -1.0, shown[-1].tobytes(): 1.0}  # below all, above all
    search.told.changes += 1
    after, _ = search.rows(by_answers=True)
    np.testing.assert_array_equal(after, before)
    assert len(search.told.of(0, 2)[0]) == 0
    assert len(search.told) == 2  # not told again
    assert not search.told.discard()


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_chosen_again_where_a_state_counts_no_more(seed):
    search, shown, borders = two_inputs(np.random.default_rng(seed))
    before, _ = search.rows(by_answers=True)
    near = np.argmin(np.abs(borders))
    search.told._of[0] = {shown[near].tobytes(): 1.0 if before[0, 3] < borders[near] else -1.0}
    search.told.changes += 1
    told, _ = search.rows(by_answers=True)
    assert not np.allclose(told, before)
    assert search.told.discard()
    np.testing.assert_array_equal(search.rows(by_answers=True)[0], before)


def test_states_are_looked_at_again_where_layers_or_units_changed():
    search, shown, _ = two_inputs(np.random.default_rng(0))
    seen = search.star()
    assert search.star() is seen
    search.units[0].places.append(shown[0])
    assert search.star() is not seen
    for change in ("known", "centre", "deeper"):
        seen = search.star()
        old = getattr(search, change)
        new = Known(old.prefix, open_sides=False) if change == "known" else True
        setattr(search, change, old.copy() if change == "centre" else new)
        assert search.star() is not seen
