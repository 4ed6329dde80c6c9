"""Regions picked by their active features: the pre-activations asked for are the ones at the points."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import prefix_of, random_deep, units_of

from divulge.reconstruction.deep.regions import FreeLayer


def free_layer(network, rng):
    """The network's first layer."""
    free = FreeLayer.of(prefix_of(network, 1), None, rng.standard_normal((50, network[0].in_features)))
    assert free is not None
    return free


@pytest.mark.parametrize("sizes", [(12, 8, 6, 1), (7, 7, 4, 1)])
def test_points_have_the_wanted_levels(sizes):
    rng = np.random.default_rng(0)
    free = free_layer(random_deep(*sizes), rng)
    wanted = rng.standard_normal((20, sizes[1]))
    np.testing.assert_allclose(free.layer.levels(free.points(wanted)), wanted, atol=1e-10)


def test_levels_are_positive_on_the_active_set_alone():
    rng = np.random.default_rng(1)
    free = free_layer(random_deep(12, 8, 6, 1), rng)
    active = rng.uniform(size=(30, 8)) < 0.5
    np.testing.assert_array_equal(free.levels_in(active, rng) > 0, active)
    assert (free.spread > 0).all()


@pytest.mark.parametrize("edged", [False, True])
def test_points_on_hyperplanes_in_their_regions(edged):
    rng = np.random.default_rng(2)
    network = random_deep(12, 8, 6, 1)
    free, units = free_layer(network, rng), units_of(network, 1)
    which = np.repeat(np.arange(6), 40)
    active = rng.uniform(size=(240, 8)) < 0.5
    edges = rng.integers(0, 8, 240) if edged else None
    points = free.on_hyperplanes(units.rows[which], units.offsets[which], active, rng, edges)
    good = np.isfinite(points).all(axis=1)
    assert good.mean() > 0.5
    levels = free.layer.levels(points[good])
    mine = np.einsum("np,np->n", units.rows[which[good]], np.maximum(levels, 0)) + units.offsets[which[good]]
    assert np.abs(mine).max() < 1e-9 * np.abs(levels).max()
    inner = np.ones(levels.shape, bool)
    if edged:
        place = np.arange(len(levels)), edges[good]
        assert np.abs(levels[place]).max() < 1e-9 * np.abs(levels).max()
        inner[place] = False
    np.testing.assert_array_equal((levels > 0)[inner], active[good][inner])


def test_a_unit_with_no_zero_in_its_region_gets_none():
    rng = np.random.default_rng(3)
    free = free_layer(random_deep(12, 8, 6, 1), rng)
    points = free.on_hyperplanes(np.ones((1, 8)), np.ones(1), np.ones((1, 8), bool), rng)
    assert np.isnan(points).all()


def test_what_is_not_free():
    samples = np.random.default_rng(0).standard_normal((50, 12))
    network = random_deep(12, 8, 6, 1)
    assert FreeLayer.of(prefix_of(network, 0), None, samples) is None
    assert FreeLayer.of(prefix_of(network, 2), None, samples) is None
    assert FreeLayer.of(prefix_of(network, 1), (-np.ones(12), np.ones(12)), samples) is None
    assert FreeLayer.of(prefix_of(random_deep(12, 13, 6, 1), 1), None, samples) is None
    prefix = prefix_of(network, 1)
    prefix.layers[0].rows[1] = prefix.layers[0].rows[0]
    assert FreeLayer.of(prefix, None, samples) is None
