"""Inputs at which what is known leaves one unit's state in doubt."""

from __future__ import annotations

import numpy as np
import pytest

from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.doubts import Committee, others, walked
from divulge.reconstruction.deep.wide.equations import Equations
from divulge.reconstruction.deep.wide.joint_rows import joint_rows
from divulge.reconstruction.deep.wide.star import Star
from divulge.reconstruction.deep.wide.told_by_answers import ToldStates
from divulge.reconstruction.deep.wide.units import Unit
from divulge.reconstruction.network.known_layers import Dense, Prefix

D, H, U, OPEN = 4, 10, 3, 3


class Layers:
    """A layer, units behind it of whose rows some entries are open, and their true levels."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        first = Dense(rng.standard_normal((H, D)), rng.standard_normal(H))
        self.known = Known(Prefix(D, [first]), open_sides=False)
        self.rows = rng.uniform(-1, 1, (U, H))
        self.units, places = [], rng.standard_normal((U, D))
        for row, place in zip(self.rows, places, strict=True):
            equations = Equations(H)
            for feature in rng.permutation(H)[OPEN:]:
                equations.add(np.eye(H)[feature], row[feature])
            self.units.append(Unit(equations, 1.0, [place]))
        self.offsets = -(self.known.terms(places) * self.rows).sum(axis=1)
        self.told = ToldStates()

    def on(self, points):
        """Which units are on, shape (n, U)."""
        return self.known.terms(points) @ self.rows.T + self.offsets > 0

    def tell(self, points, units):
        """Tell the true states of units (n,) at points (n, d)."""
        for point, unit, on in zip(points, units, self.on(points), strict=True):
            self.told.take(int(unit), point, 1.0 if on[unit] else -1.0)

    def chosen(self):
        return joint_rows(
            self.known, self.units, Star(self.known, self.units, np.zeros(D), []), self.told, True
        )

    def wrong(self):
        """Share of states that the chosen rows get wrong."""
        points = 3 * np.random.default_rng(9).standard_normal((5000, D))
        chosen = self.chosen()
        rows, offsets = chosen.rows(chosen.y)
        return float(((self.known.terms(points) @ rows.T + offsets > 0) != self.on(points)).mean())


@pytest.mark.parametrize("seed", range(5))
def test_others_make_all_known_states_and_differ(seed):
    layers = Layers(np.random.default_rng(seed))
    layers.tell(3 * layers.rng.standard_normal((60, D)), layers.rng.integers(0, U, 60))
    chosen = layers.chosen()
    drawn = others(chosen, layers.rng)
    for y in drawn:
        for part, (matrix, levels) in zip(np.split(y, U), chosen.states, strict=True):
            assert (matrix @ part + levels > 0).all()
    assert np.std(drawn, axis=0).min() > 0


@pytest.mark.parametrize("seed", range(5))
def test_what_is_told_stays_in_others(seed):
    layers = Layers(np.random.default_rng(seed))
    chosen = layers.chosen()
    basis = np.linalg.qr(layers.rng.standard_normal((len(chosen.y), 2)))[0].T
    held = type(chosen)(chosen.opens, chosen.y, chosen.states, basis, False)
    for y in others(held, layers.rng):
        np.testing.assert_allclose(basis @ y, basis @ chosen.y, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_walks_leave_corners_where_states_hold_by_next_to_nothing(seed):
    rng = np.random.default_rng(seed)
    matrix, y = rng.standard_normal((6, 3)), 300 * rng.uniform(-1, 1, 3)
    matrix[:, 2] = 0
    levels = 10 ** rng.uniform(-8.9, -8, 6) - matrix @ y
    out = walked((matrix, levels), np.empty((0, 3)), y, 1e3, rng)
    assert (matrix @ out.T + levels[:, None] > -1e-9).all()
    assert np.abs(out).max() <= 1e3
    assert out[:, 2].std() > 0


def test_what_rounding_leaves_of_equations_tells_nothing():
    rng = np.random.default_rng(0)
    nothing = np.empty((0, 3)), np.empty(0)
    out = walked(nothing, 1e-17 * rng.standard_normal((4, 3)), np.zeros(3), 1.0, rng)
    assert out.std(axis=0).min() > 0


@pytest.mark.parametrize("seed", range(5))
def test_states_in_doubt_tell_more_than_any(seed):
    first = {}
    for in_turn in (True, False):
        layers = Layers(np.random.default_rng(seed))
        for _ in range(6):
            points = 3 * layers.rng.standard_normal((2000, D))
            places, units = Committee(layers.known, layers.chosen(), layers.rng).in_doubt(points)
            if not in_turn:
                places = layers.rng.permutation(len(points))[: len(places)]
                units = layers.rng.integers(0, U, len(places))
            layers.tell(points[places], units)
        first[in_turn] = layers.wrong()
    assert first[True] < 0.5 * first[False]


def test_nothing_open_leaves_no_doubt():
    layers = Layers(np.random.default_rng(0))
    for unit, row in zip(layers.units, layers.rows, strict=True):
        for feature in range(H):
            unit.equations.add(np.eye(H)[feature], row[feature])
    places, units = Committee(layers.known, layers.chosen(), layers.rng).in_doubt(
        layers.rng.standard_normal((100, D))
    )
    assert not len(places)
    assert not len(units)
