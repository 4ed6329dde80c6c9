"""All rows at once: which equations are taken."""

from __future__ import annotations

import numpy as np
import pytest

from divulge.reconstruction.deep.wide.joint_rows import told_alone
from divulge.reconstruction.deep.wide.open_rows import System


def system_of(rng, y, linear, count):
    """Equations that y and the linear part solve."""
    told, terms = rng.standard_normal((count, len(y))), rng.standard_normal((count, len(linear)))
    return System(told, terms, told @ y + terms @ linear)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_told_whatever_the_linear_part_is(seed):
    rng = np.random.default_rng(seed)
    y, linear = rng.standard_normal(6), rng.standard_normal(3)
    basis, values = told_alone(system_of(rng, y, linear, int(rng.integers(4, 9))))
    assert len(basis)
    np.testing.assert_allclose(basis @ y, values, atol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_equations_that_contradict_each_other_are_not_taken_for_ones_that_tell_nothing(seed):
    rng = np.random.default_rng(seed)
    right = system_of(rng, rng.standard_normal(4), rng.standard_normal(3), 6)
    wrong = system_of(rng, rng.standard_normal(4), rng.standard_normal(3), 6)
    assert told_alone(right) is not None
    assert told_alone(right.with_more(wrong)) is None
    nothing = System(np.empty((5, 0)), rng.standard_normal((5, 3)), rng.standard_normal(5))
    assert len(told_alone(nothing)[0]) == 0
