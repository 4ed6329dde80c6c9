"""Solutions do not depend on the scale of what is solved for."""

from __future__ import annotations

import numpy as np
import pytest

from divulge import Influence

SOLVERS = {
    "cg": {},
    "direct": {"solver": "direct"},
    "lissa": {"solver": "lissa", "batch_size": 40, "max_iterations": 8},
    "nystroem": {"solver": "nystroem", "rank": 40},
    "ekfac": {"curvature": "ekfac"},
}


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("power", [-700, 500])
def test_powers_of_two_go_through_a_solve(make, name, power):
    module, train, test = make("tanh")
    options = {"damping": 3.0, **SOLVERS[name]}
    influence = Influence(module, train, **options)
    vectors = influence.gradients(test).astype(np.float64)
    once, scaled = influence.solve(vectors), influence.solve(np.ldexp(vectors, power))
    np.testing.assert_array_equal(scaled.vectors, np.ldexp(once.vectors, power))
    np.testing.assert_array_equal(scaled.residual, once.residual)
    np.testing.assert_array_equal(scaled.iterations, once.iterations)


def test_rows_of_very_different_scales_are_solved_for_together(make):
    module, train, test = make("tanh")
    influence = Influence(module, train, damping=3.0, tolerance=1e-10)
    vectors = influence.gradients(test).astype(np.float64)
    vectors[1:2] = 0
    powers = np.linspace(-600, 600, len(vectors)).astype(int)[:, None]
    given = np.ldexp(vectors, powers)
    before = given.copy()
    found = influence.solve(given)
    expected = influence.solve(vectors)
    np.testing.assert_array_equal(given, before)
    assert found.converged.all()
    np.testing.assert_array_equal(found.vectors, np.ldexp(expected.vectors, powers))
