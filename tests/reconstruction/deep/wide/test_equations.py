"""Linear equations about a row, taken in one by one."""

from __future__ import annotations

import numpy as np

from divulge.reconstruction.deep.wide.equations import Equations


def filled(rows: int, unknowns: int = 6) -> tuple[Equations, np.ndarray, np.ndarray]:
    """Random equations about a random vector, both."""
    rng = np.random.default_rng(rows)
    truth, terms = rng.standard_normal(unknowns), rng.standard_normal((rows, unknowns))
    equations = Equations(unknowns)
    for row in terms:
        equations.add(row, float(row @ truth))
    return equations, truth, terms


def test_enough_equations_tell_the_vector():
    equations, truth, _ = filled(6)
    np.testing.assert_allclose(equations.solution, truth, atol=1e-10)
    assert equations.known.all()
    assert len(equations.free) == 0


def test_what_is_spanned_is_told_and_nothing_else():
    equations, truth, terms = filled(3)
    told = equations.tell(terms[0] - 2 * terms[2])
    assert told is not None
    assert abs(told - (terms[0] - 2 * terms[2]) @ truth) < 1e-12
    assert equations.tell(np.eye(6)[0]) is None
    assert not equations.known.any()
    assert np.abs(equations.free @ terms.T).max() < 1e-12


def test_an_equation_met_again_adds_nothing():
    equations, _, terms = filled(3)
    before = equations.solution.copy()
    equations.add(terms[1], 100.0)
    assert len(equations) == 3
    np.testing.assert_array_equal(equations.solution, before)


def test_sums_are_known_where_single_entries_are_not():
    equations = Equations(3)
    equations.add(np.array([1.0, 1.0, 0.0]), 5.0)
    equations.add(np.array([0.0, 0.0, 2.0]), 4.0)
    assert equations.known.tolist() == [False, False, True]
    told = equations.tell(np.array([2.0, 2.0, 1.0]))
    assert told is not None
    assert abs(told - 12.0) < 1e-12


def test_an_extension_leaves_the_first_as_it_was():
    equations, truth, _ = filled(3)
    more = equations.extended([(row, float(row @ truth)) for row in np.eye(6)])
    np.testing.assert_allclose(more.solution, truth, atol=1e-12)
    assert len(equations) == 3
