"""Points far out on extreme rays of the known layers' cones."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import prefix_of, random_deep

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.falsification.extreme_rays import (
    distinct_rays,
    drawn_rays,
    on_extreme_rays,
    times_largest,
)
from divulge.reconstruction.network.known_layers import Dense, Prefix


def lines_of(size, seed=0):
    return Lines(size, None, np.random.default_rng(seed))


@pytest.mark.parametrize("sizes", [(9, 6, 5, 4, 1), (12, 7, 8, 3, 1), (9, 5, 6, 4, 3, 1)])
def test_all_but_one_of_the_features_that_are_on_is_held_by_units_between_on_and_off(sizes):
    prefix = prefix_of(random_deep(*sizes, seed=3), len(sizes) - 3)
    rays = distinct_rays(prefix, np.random.default_rng(0), 200)
    assert len(rays) > 50
    assert np.allclose(np.linalg.norm(rays, axis=1), 1.0)
    assert (rays >= 0).all()
    features = rays * np.linalg.norm(prefix.layers[0].rows, axis=1)
    between = np.zeros(len(rays), int)
    for layer in prefix.layers[1:]:
        levels = features @ layer.rows.T
        between += (np.abs(levels) < 1e-9).sum(axis=1)
        features = np.maximum(levels, 0.0)
    on = (rays > 0).sum(axis=1)
    zeros = np.array([row.any() for row in features])  # where all is off, all of that layer's units are 0
    assert (between >= on - 1)[zeros].all()


def test_all_rays_are_met_and_none_twice():
    prefix = prefix_of(random_deep(9, 5, 4, 3, 1, seed=1), 2)
    rays = drawn_rays(prefix, np.random.default_rng(0))
    assert len(np.unique(np.round(rays, 5), axis=0)) == len(rays)
    rows = prefix.layers[1].rows
    pairs = sum((rows[:, i] * rows[:, j] < 0).sum() for i in range(5) for j in range(i))
    assert ((rays > 0).sum(axis=1) == 1).sum() == 5
    assert ((rays > 0).sum(axis=1) == 2).sum() == pairs  # one for each unit between two features


def test_a_unit_that_is_on_in_a_narrow_cone_alone_is_met_by_few_rays():
    """It is on at fewer than one in a thousand directions, and on one of the 60 rays that tell most."""
    prefix = prefix_of(random_deep(30, 8, 8, 3, 1, seed=2), 2)
    lines, rng = lines_of(30), np.random.default_rng(5)
    normal = prefix.features(1e6 * lines.samples(20_000))
    points = on_extreme_rays(prefix, lines, 60)
    on_rays = prefix.features(points)
    assert len(points) == 60
    rare = met = 0
    for _ in range(2000):
        row = rng.standard_normal(8) - 0.8
        share = (normal @ row > 0).mean()
        if 0 < share < 1e-3:
            rare += 1
            met += bool((on_rays @ row > 0).any())
    assert rare > 20
    assert met >= 0.9 * rare


def test_a_ray_between_others_is_the_largest_nowhere():
    prefix = Prefix(3, [Dense(np.eye(3), np.zeros(3)), Dense(np.eye(3), np.zeros(3))])
    rays = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.6, 0.8, 0.0], [0.1, 0.2, 0.97]])
    times = times_largest(prefix, rays, np.random.default_rng(0))
    assert (times[:3] > 1000).all()
    assert not times[3:].any()


def test_where_the_next_layer_is_off_a_ray_counts_for_nothing():
    prefix = Prefix(2, [Dense(np.eye(2), np.zeros(2)), Dense(np.array([[1.0, -1.0]]), np.zeros(1))])
    times = times_largest(prefix, np.eye(2), np.random.default_rng(0))
    assert times[0] > 0
    assert times[1] == 0


def test_behind_one_layer_the_rays_are_its_features():
    prefix = prefix_of(random_deep(20, 12, 5, 1), 1)
    points = on_extreme_rays(prefix, lines_of(20), 100)
    features = prefix.features(points)
    assert len(points) == 12
    assert ((features > 1e-3 * features.max(axis=1, keepdims=True)).sum(axis=1) == 1).all()
    assert len(on_extreme_rays(prefix, lines_of(20), 5)) == 5


def test_a_first_layer_of_dependent_rows_or_with_a_passage_has_none():
    first = Dense(np.ones((2, 3)), np.zeros(2))
    assert on_extreme_rays(Prefix(3, [first]), lines_of(3), 10).shape == (0, 3)
    wide = Dense(np.random.default_rng(0).standard_normal((9, 4)), np.zeros(9))
    assert on_extreme_rays(Prefix(4, [wide]), lines_of(4), 10).shape == (0, 4)
    handed = Dense(np.eye(3), np.zeros(3)).with_passage()
    assert on_extreme_rays(Prefix(3, [handed]), lines_of(3), 10).shape == (0, 3)


def test_the_seed_decides():
    prefix = prefix_of(random_deep(9, 6, 5, 4, 1), 2)
    first, again, other = (on_extreme_rays(prefix, lines_of(9, seed), 50) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
