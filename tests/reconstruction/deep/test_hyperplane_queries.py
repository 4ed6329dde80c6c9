"""Points put onto hyperplanes, jumps across them, and places that bear a unit out."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import kinks_of, prefix_of, probe_of, random_deep, units_of

from divulge.reconstruction.deep.hyperplane_queries import (
    borne_out,
    jumps_across,
    levels_and_slopes,
    onto,
    onto_both,
    unit_vectors,
)
from divulge.reconstruction.network.known_layers import Prefix

SIZES = (12, 9, 8, 1)


def near_kinks(network, depth, rng):
    """Points just beside kinks of a layer's units, the units, and the kinks."""
    kinks, layer, unit = kinks_of(network, lines=6)
    own = layer == depth
    points = kinks.points[own]
    return points + 1e-4 * rng.standard_normal(points.shape), unit[own], kinks.jumps[own]


def test_unit_vectors():
    vectors = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(unit_vectors(vectors), [[0.6, 0.8], [0.0, 0.0]])


@pytest.mark.parametrize("depth", [0, 1])
def test_onto_lands_on_the_hyperplane(depth):
    network = random_deep(*SIZES)
    prefix, units = prefix_of(network, depth), units_of(network, depth)
    starts, unit, _ = near_kinks(network, depth, np.random.default_rng(0))
    before, _ = levels_and_slopes(prefix, units.rows[unit], units.offsets[unit], starts)
    points = onto(prefix, units.rows[unit], units.offsets[unit], starts)
    levels, _ = levels_and_slopes(prefix, units.rows[unit], units.offsets[unit], points)
    assert np.abs(before).max() > 1e-6
    assert np.abs(levels).max() < 1e-10
    assert np.linalg.norm(points - starts, axis=1).max() < 0.1


@pytest.mark.parametrize("seed", range(3))
def test_onto_both_lands_on_both(seed):
    network, rng = random_deep(*SIZES, seed=seed), np.random.default_rng(seed)
    prefix, units = prefix_of(network, 1), units_of(network, 1)
    unit, feature = rng.integers(0, 8, 60), rng.integers(0, 9, 60)
    starts = rng.standard_normal((60, 12))
    points = onto_both(prefix, units.rows[unit], units.offsets[unit], Prefix(12), feature, starts)
    level, _ = levels_and_slopes(prefix, units.rows[unit], units.offsets[unit], points)
    edge = prefix.levels(points)[0][np.arange(60), feature]
    size = 1 + np.linalg.norm(points, axis=1)
    landed = (np.abs(level) < 1e-9 * size) & (np.abs(edge) < 1e-9 * size)
    assert landed.mean() > 0.4  # some units have no zero where that feature has one


def test_jumps_across_are_the_kinks_own():
    network = random_deep(*SIZES)
    prefix, units = prefix_of(network, 1), units_of(network, 1)
    starts, unit, jumps = near_kinks(network, 1, np.random.default_rng(1))
    points = onto(prefix, units.rows[unit], units.offsets[unit], starts)
    _, normals = levels_and_slopes(prefix, units.rows[unit], units.offsets[unit], points)
    found = jumps_across(probe_of(network), points, normals)
    along = np.abs(np.einsum("nd,nd->n", unit_vectors(found), unit_vectors(normals)))
    same = np.abs(np.einsum("nd,nd->n", unit_vectors(found), unit_vectors(jumps)))
    assert np.mean(along > 1 - 1e-9) > 0.9  # another kink may lie between the two questions
    assert np.mean(same > 1 - 1e-9) > 0.9


def test_only_true_places_bear_a_unit_out():
    network, rng = random_deep(*SIZES), np.random.default_rng(2)
    prefix, units, probe = prefix_of(network, 1), units_of(network, 1), probe_of(network)
    starts, unit, _ = near_kinks(network, 1, rng)
    points = onto(prefix, units.rows[unit], units.offsets[unit], starts)
    assert borne_out(probe, prefix, units, unit, points).mean() > 0.9
    assert not borne_out(probe, prefix, units, unit, rng.standard_normal(points.shape)).any()
    assert len(borne_out(probe, prefix, units, unit[:0], points[:0])) == 0
