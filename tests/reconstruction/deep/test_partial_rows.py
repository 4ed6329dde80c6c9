"""Jumps solved for rows: the true masked row at a kink, a residual where no row explains the jump."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import kinks_of, parameters, prefix_of, random_deep

from divulge.reconstruction.deep.partial_rows import segments


@pytest.mark.parametrize("sizes", [(12, 8, 6, 1), (9, 7, 8, 6, 1), (5, 14, 6, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_a_kink_shows_the_masked_row_of_its_unit(sizes, seed):
    network = random_deep(*sizes, seed=seed)
    depth = len(sizes) - 3
    kinks, layer, unit = kinks_of(network, lines=6, seed=seed)
    own = layer == depth
    prefix, (rows, offsets) = prefix_of(network, depth), parameters(network)[depth]
    found = segments(prefix, kinks.points[own], kinks.jumps[own])
    assert found.residuals.max() < 1e-9
    np.testing.assert_array_equal(found.masks, prefix.masks(kinks.points[own]))
    assert found.determined.any()
    for m in np.flatnonzero(found.determined):
        true = rows[unit[own][m]] * found.masks[m]
        scale = (found.rows[m] @ true) / (true @ true)
        size = np.linalg.norm(found.rows[m])
        np.testing.assert_allclose(found.rows[m], scale * true, atol=1e-9 * size)
        np.testing.assert_allclose(found.offsets[m], scale * offsets[unit[own][m]], atol=1e-7 * size)


@pytest.mark.parametrize("seed", range(3))
def test_no_row_explains_a_jump_of_an_earlier_layer(seed):
    network = random_deep(12, 8, 6, 5, 1, seed=seed)
    kinks, layer, _ = kinks_of(network, seed=seed)
    active = [prefix_of(network, depth).masks(kinks.points).sum(axis=1) for depth in (1, 2)]
    first = (layer == 0) & (active[1] < active[0] - 1)  # else the row may lie in the span by chance
    assert first.any()
    found = segments(prefix_of(network, 2), kinks.points[first], kinks.jumps[first])
    assert found.residuals.min() > 1e-3


def test_more_active_features_than_inputs_leave_a_row_open():
    network = random_deep(3, 20, 5, 1)
    kinks, layer, _ = kinks_of(network)
    prefix, own = prefix_of(network, 1), layer == 1
    found = segments(prefix, kinks.points[own], kinks.jumps[own])
    np.testing.assert_array_equal(found.determined, found.masks.sum(axis=1) <= 3)
    assert not found.determined.all()


def test_without_layers_a_jump_is_the_row():
    network = random_deep(6, 5, 1)
    kinks, _, unit = kinks_of(network)
    found = segments(prefix_of(network, 0), kinks.points, kinks.jumps)
    rows, offsets = parameters(network)[0]
    scale = found.rows[:, 0] / rows[unit, 0]
    np.testing.assert_allclose(found.rows, scale[:, None] * rows[unit], atol=1e-12)
    np.testing.assert_allclose(found.offsets, scale * offsets[unit], atol=1e-9)


def test_some_and_joined():
    network = random_deep(6, 5, 1)
    kinks, _, _ = kinks_of(network)
    found = segments(prefix_of(network, 0), kinks.points, kinks.jumps)
    again = found.take(np.arange(2)).joined(found.take(np.arange(2, len(found))))
    for field in ("rows", "masks", "offsets", "residuals", "determined", "points"):
        np.testing.assert_array_equal(getattr(again, field), getattr(found, field))
