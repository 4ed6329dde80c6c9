"""Sides of a layer beside which a unit is on everywhere."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from divulge.reconstruction.deep.wide.always_on import sides_beside
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.equations import Equations
from divulge.reconstruction.deep.wide.sides import without_rest, wrong_sides
from divulge.reconstruction.network.known_layers import Dense, Prefix

WIDTHS = (4, 12, 10)  # input, first and second layer


def behind(seed, units, rank, loose=()):
    """Known layers, the second turned at random, equations of units behind it, which are wrong, and E."""
    rng = np.random.default_rng(seed)
    layers = [Dense(rng.standard_normal((h, p)), rng.standard_normal(h)) for p, h in pairwise(WIDTHS)]
    known = Known(Prefix(WIDTHS[0], layers), open_sides=True, loose=np.array(loose, np.intp))
    turned, beside = rng.uniform(size=WIDTHS[2]) < 0.5, rng.standard_normal((rank, WIDTHS[1]))
    out = []
    for _ in range(units):
        row, equations = rng.standard_normal(WIDTHS[2]), Equations(known.unknowns)
        rest = -(turned * row) @ layers[-1].rows + rng.standard_normal(rank) @ beside
        rest[list(loose)] += rng.standard_normal(len(loose))
        theta = np.concatenate([row, rest])
        for terms in [*np.eye(known.unknowns)[: WIDTHS[2]], *rng.standard_normal((9, known.unknowns))]:
            equations.add(terms, float(terms @ theta))
        out.append((equations, theta))
    return known, [equations for equations, _ in out], turned, beside, [theta for _, theta in out]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loose", [(), (3,)])
def test_one_unit_that_is_always_on_is_found_with_the_sides(seed, loose):
    known, units, turned, beside, thetas = behind(seed, 12, 1, loose)
    assert wrong_sides(known, units) is None
    found, rows = sides_beside(known, units)
    np.testing.assert_array_equal(found, turned)
    free = np.setdiff1d(np.arange(WIDTHS[1]), loose)
    alike = rows[0, free] @ beside[0, free]
    assert abs(alike) == pytest.approx(np.linalg.norm(rows[0, free]) * np.linalg.norm(beside[0, free]))
    kept = without_rest(known, units[0], found, np.vstack([np.eye(WIDTHS[1])[list(loose)], rows]))
    np.testing.assert_allclose(kept.solution[: WIDTHS[2]], thetas[0][: WIDTHS[2]], atol=1e-7)


def test_what_has_no_low_rank_is_left_open():
    known, units, *_ = behind(0, 12, 8)
    assert sides_beside(known, units) is None


def test_too_few_units_tell_nothing():
    known, units, *_ = behind(0, 3, 1)
    assert sides_beside(known, units) is None
    assert sides_beside(known, []) is None
