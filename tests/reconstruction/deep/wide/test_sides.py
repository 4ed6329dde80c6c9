"""Whether any sides of the first layer's units explain what follows; units that differ in their offsets."""

from __future__ import annotations

import numpy as np
import pytest

from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.equations import Equations
from divulge.reconstruction.deep.wide.sides import no_sides, parallel, wrong_sides
from divulge.reconstruction.deep.wide.units import Unit, taken_in
from divulge.reconstruction.network.known_layers import Dense, Prefix


def known_of(rows: np.ndarray, *, open_sides: bool = True) -> Known:
    """A first layer with these rows."""
    return Known(Prefix(rows.shape[1], [Dense(rows, np.linspace(-1, 1, len(rows)))]), open_sides)


def told(theta: np.ndarray) -> Equations:
    """Equations that tell every entry."""
    equations = Equations(len(theta))
    for terms, right in zip(np.eye(len(theta)), theta, strict=True):
        equations.add(terms, float(right))
    return equations


def units_with(rows: np.ndarray, sides: np.ndarray, count: int, rng: np.random.Generator) -> list[Equations]:
    """Units that read a layer whose units are turned by so much, 0 or 1 in a plain network."""
    reading = rng.standard_normal((count, len(rows)))
    return [told(np.concatenate([read, -(sides * read) @ rows])) for read in reading]


@pytest.mark.parametrize(("h", "count"), [(6, 1), (6, 3), (12, 3), (12, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_sides_of_a_plain_network_are_never_refused(h, count, seed):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((h, 7))
    sides = (rng.uniform(size=h) < 0.5).astype(float)
    assert not no_sides(known_of(rows), units_with(rows, sides, count, rng))


@pytest.mark.parametrize(("h", "count"), [(6, 1), (12, 3), (12, 1)])
@pytest.mark.parametrize("slope", [-1.0, -0.2, 0.3])
def test_slopes_are_no_sides(h, count, slope):
    """With one unit of 12 in 7 dimensions equations are fewer than sides: an integer programme says so."""
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((h, 7))
    kappa = np.full(h, -slope / (1 - slope))
    units = units_with(rows, kappa, count, rng)
    assert no_sides(known_of(rows), units)
    assert wrong_sides(known_of(rows), units) is None


def test_nothing_followed_says_nothing():
    assert not no_sides(known_of(np.eye(3)), [])


def test_parallel_hyperplanes_are_noticed():
    rows = np.random.default_rng(0).standard_normal((5, 7))
    assert not parallel(known_of(rows))
    assert parallel(known_of(np.vstack([rows, -2 * rows[3]])))
    assert not parallel(known_of(rows[:1]))


def test_two_units_with_one_row_and_two_offsets_are_two():
    rng = np.random.default_rng(0)
    known = known_of(rng.standard_normal((5, 7)), open_sides=False)
    row = rng.standard_normal(5)
    points = rng.standard_normal((40, 7))
    levels = known.terms(points) @ row
    low, high = points[np.argmin(levels)], points[np.argmax(levels)]
    units: list[Unit] = []
    assert taken_in(known, units, Unit(told(row), 1.0, [low]))
    assert not taken_in(known, units, Unit(told(-2 * row), -0.5, [low]))
    assert taken_in(known, units, Unit(told(row), 1.0, [high]))
    assert len(units) == 2
