"""Tolerances: floors for sharp answers, factors for coarse ones, and always in the same order."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from divulge.reconstruction.settings import Tolerances

SINGLE, DOUBLE = (float(np.finfo(kind).eps) for kind in (np.float32, np.float64))


def in_order(found: Tolerances) -> list[float]:
    """The tolerances from the narrowest on."""
    return [found.same, found.rounding, found.loose, found.missing, found.alike]


def test_double_precision_leaves_the_floors():
    found = Tolerances.of(DOUBLE)
    assert in_order(found) == pytest.approx([3e-10, 1e-9, 1e-8, 1e-7, 1e-6])
    assert in_order(found) == in_order(Tolerances.of(0.0))
    assert not found.single
    assert not found.blunt


def test_single_precision_counts_in_roundings():
    found = Tolerances.of(SINGLE)
    assert in_order(found) == pytest.approx([SINGLE * k for k in (60, 2e2, 1e3, 1e4, 1e5)])
    assert found.single
    assert found.blunt


def test_differences_of_sharp_values_are_blunt_and_not_of_single_precision():
    found = Tolerances.of(4 * DOUBLE, lost=1e7)
    assert found.noise == pytest.approx(4e7 * DOUBLE)
    assert found.blunt
    assert not found.single


@pytest.mark.parametrize("lost", [1.0, 1e7])
@pytest.mark.parametrize("noise", [0.0, DOUBLE, 1e-12, 1e-10, SINGLE, 1e-6])
def test_they_keep_their_order(noise, lost):
    assert all(a < b for a, b in pairwise(in_order(Tolerances.of(noise, lost))[:4]))
    assert 0 < Tolerances.of(noise, lost).alike <= 0.1


def test_differences_of_coarse_values_are_taken_for_no_coarser_than_they_can_be_used():
    assert Tolerances.of(SINGLE, lost=1e7).noise == pytest.approx(1e-3)
    assert Tolerances.of(0.01).noise == pytest.approx(0.01)  # that is no difference
