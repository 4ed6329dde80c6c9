"""Segments grouped and merged: one unit's together with its row, never two units'."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import kinks_of, parameters, prefix_of, random_deep

from divulge.reconstruction.deep.candidates import group, joined, merge
from divulge.reconstruction.deep.partial_rows import Segments, segments

TOLERANCE = 1e-6


def parts(rows, offsets, each, share, rng):
    """Segments of every row, each scaled by a number of its own, and whose they are."""
    unit = rng.permutation(np.repeat(np.arange(len(rows)), each))
    masks = rng.uniform(size=(len(unit), rows.shape[1])) < share
    scale = rng.standard_normal(len(unit)) + 3 * rng.choice([-1, 1], len(unit))
    shown = np.where(masks, rows[unit], 0.0) * scale[:, None]
    n = len(unit)
    points = rng.standard_normal((n, 4))
    return Segments(shown, masks, scale * offsets[unit], np.zeros(n), np.ones(n, bool), points), unit


def up_to_sign(candidates, rows, offsets, unit):
    """Largest error of the candidates' known entries and offsets, each candidate's scale fitted."""
    worst = 0.0
    for c, j in enumerate(unit):
        true = np.where(candidates.known[c], rows[j], 0.0)
        scale = (candidates.rows[c] @ true) / (true @ true)
        worst = max(worst, np.abs(candidates.rows[c] - scale * true).max())
        worst = max(worst, abs(candidates.offsets[c] - scale * offsets[j]))
    return worst


@pytest.mark.parametrize("seed", range(4))
def test_parts_of_one_row_come_together(seed):
    rng = np.random.default_rng(seed)
    rows, offsets = rng.standard_normal((9, 16)), rng.standard_normal(9)
    found, unit = parts(rows, offsets, each=8, share=0.6, rng=rng)
    groups = group(found, TOLERANCE, overlap=3)
    np.testing.assert_array_equal(groups[:, None] == groups, unit[:, None] == unit)
    merged = merge(found, groups)
    first = unit[np.unique(groups, return_index=True)[1]]
    assert merged.known.all()
    assert (merged.members == 8).all()
    np.testing.assert_allclose(np.linalg.norm(merged.rows, axis=1), 1.0)
    assert up_to_sign(merged, rows, offsets, first) < 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_kinks_of_two_units_never_come_together(seed):
    network = random_deep(14, 10, 8, 1, seed=seed)
    kinks, layer, unit = kinks_of(network, lines=8, seed=seed)
    own = layer == 1
    found = segments(prefix_of(network, 1), kinks.points[own], kinks.jumps[own])
    groups = group(found, TOLERANCE, overlap=3)
    for number in np.unique(groups):
        assert len(set(unit[own][groups == number])) == 1
    first = unit[own][np.unique(groups, return_index=True)[1]]
    merged = merge(found, groups)
    assert merged.members.max() > 1
    assert up_to_sign(merged, *parameters(network)[1], first) < 1e-7


def test_too_small_an_overlap_is_no_agreement():
    rows = np.array([[1.0, 2.0, 3.0, 0.0, 0.0], [0.0, 2.0, 3.0, 1.0, 0.0]])
    masks = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0]], bool)
    two = Segments(rows, masks, np.zeros(2), np.zeros(2), np.ones(2, bool), np.zeros((2, 5)))
    assert len(set(group(two, TOLERANCE, overlap=3))) == 2
    assert len(set(group(two, TOLERANCE, overlap=2))) == 1


def test_another_offset_is_another_unit():
    rows, masks = np.ones((2, 4)), np.ones((2, 4), bool)
    two = Segments(rows, masks, np.array([0.5, -0.5]), np.zeros(2), np.ones(2, bool), np.zeros((2, 4)))
    assert len(set(group(two, TOLERANCE, overlap=3))) == 2


def test_nothing_to_group():
    none = Segments(*(np.empty(s) for s in [(0, 3), (0, 3), 0, 0, 0, (0, 3)]))
    assert len(group(none, TOLERANCE, overlap=3)) == 0


def test_joined_keeps_both():
    rng = np.random.default_rng(0)
    found, _ = parts(rng.standard_normal((3, 6)), rng.standard_normal(3), 1, 1.1, rng)
    merged = merge(found, np.arange(3))
    both = joined(merged.take(np.arange(1)), merged.take(np.arange(1, 3)))
    np.testing.assert_array_equal(both.rows, merged.rows)
    np.testing.assert_array_equal(both.segments().offsets, merged.offsets)
    assert len(both) == 3
