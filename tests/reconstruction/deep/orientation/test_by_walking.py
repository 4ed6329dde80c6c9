"""Bent hyperplanes tell the signs of a first layer with more units than inputs."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import kinks_of, parameters, probe_of, random_deep

from divulge.reconstruction.deep.hyperplane_queries import bend_shares
from divulge.reconstruction.deep.orientation.by_walking import begin, signs, step
from divulge.reconstruction.network.known_layers import Dense


def turned_first_layer(network, seed):
    """The first layer with random orientations, rows of length 1, and which units were turned."""
    (rows, offsets), *_ = parameters(network)
    turned = np.random.default_rng(seed).uniform(size=len(rows)) < 0.5
    size = np.linalg.norm(rows, axis=1) * np.where(turned, -1.0, 1.0)
    return Dense(rows / size[:, None], offsets / size), turned


def later_kinks(network, seed, layer=1):
    kinks, own, _ = kinks_of(network, 2, seed)
    return kinks.points[own == layer], kinks.jumps[own == layer]


@pytest.mark.parametrize("sizes", [(10, 20, 20, 1), (6, 9, 5, 1), (5, 8, 8, 1), (10, 16, 8, 4, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_the_signs_are_told(sizes, seed):
    network = random_deep(*sizes, seed=seed)
    layer, turned = turned_first_layer(network, seed)
    points, jumps = later_kinks(network, seed)
    found = signs(probe_of(network), layer, points, jumps, np.random.default_rng(seed))
    assert found is not None
    np.testing.assert_array_equal(found, turned)


def test_a_walk_reads_rows():
    network = random_deep(10, 20, 20, 1, seed=2)
    layer, _ = turned_first_layer(network, 2)
    kinks, own, unit = kinks_of(network, 2, 2)
    second = np.flatnonzero(own == 1)[:3]
    walk = begin(layer, kinks.points[second], kinks.jumps[second])
    probe, rng = probe_of(network), np.random.default_rng(0)
    for _ in range(200):
        step(probe, layer, walk, rng)
    assert walk.alive.all()
    (first, _), (rows, _) = parameters(network)[:2]
    true = rows[unit[second]] * np.linalg.norm(first, axis=1)
    seen = ~np.isnan(walk.rows)
    assert seen.mean() > 0.9
    for own_row, row, known in zip(walk.rows, true, seen, strict=True):
        factor = own_row[known] @ row[known] / (row[known] @ row[known])
        np.testing.assert_allclose(own_row[known], factor * row[known], rtol=1e-6, atol=1e-8)


def test_a_missing_unit_leaves_no_signs():
    network = random_deep(10, 20, 20, 1, seed=1)
    layer, _ = turned_first_layer(network, 1)
    points, jumps = later_kinks(network, 1)
    fewer = Dense(layer.rows[1:], layer.offsets[1:])
    assert signs(probe_of(network), fewer, points, jumps, np.random.default_rng(0)) is None


def test_no_kinks_no_signs():
    network = random_deep(10, 20, 20, 1)
    layer, _ = turned_first_layer(network, 0)
    none = np.empty((0, 10))
    assert signs(probe_of(network), layer, none, none, np.random.default_rng(0)) is None


def test_where_nothing_bends_no_share_is_good():
    network = random_deep(10, 8, 6, 1)
    points, normals, bends = np.random.default_rng(0).standard_normal((3, 5, 10))
    shares, good = bend_shares(probe_of(network), points, normals, bends)
    assert not good.any()
    assert not shares.any()
