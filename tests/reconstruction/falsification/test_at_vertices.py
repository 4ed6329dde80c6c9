"""Points beside vertices of the first layer's hyperplanes."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from deep_networks import parameters, random_deep

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.falsification.at_vertices import at_vertices
from divulge.reconstruction.network.known_layers import Dense, Prefix


def first_of(network):
    return Dense(*parameters(network)[0])


@pytest.mark.parametrize(("sizes", "count"), [((3, 9, 4, 1), 500), ((2, 7, 4, 1), 10), ((8, 64, 4, 1), 50)])
def test_as_many_hyperplanes_meet_as_there_are_inputs(sizes, count):
    first = first_of(random_deep(*sizes, seed=0))
    points = at_vertices(first, Lines(sizes[0], None, np.random.default_rng(0)), count)
    assert len(points) == min(count, comb(sizes[1], sizes[0]))
    size = 1 + np.linalg.norm(points, axis=1, keepdims=True)
    near = np.abs(first.levels(points)) / size / np.linalg.norm(first.rows, axis=1) < 1e-3
    assert (near.sum(axis=1) >= sizes[0]).mean() > 0.9


def test_fewer_units_than_inputs_meet_nowhere():
    first = first_of(random_deep(6, 4, 3, 1, seed=0))
    assert at_vertices(first, Lines(6, None, np.random.default_rng(0)), 20).shape == (0, 6)


@pytest.mark.parametrize("seed", range(5))
def test_a_unit_that_is_off_in_a_small_region_alone_is_off_beside_a_vertex(seed):
    network = random_deep(3, 12, 6, 1, seed=seed)
    first, rng = first_of(network), np.random.default_rng(seed)
    row = rng.uniform(0.2, 1.0, 12)  # grows with every feature: least within
    prefix = Prefix(3, [first])
    places = prefix.features(rng.uniform(-4, 4, (20_000, 3))) @ row
    level = np.quantile(places, 2e-4)
    points = at_vertices(first, Lines(3, None, rng), 1000)
    assert (prefix.features(points) @ row < level).any()
