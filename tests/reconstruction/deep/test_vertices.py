"""Points beside vertices of the first layer's hyperplanes."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from deep_networks import parameters, random_deep

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.vertices import are_all_vertices, at_ends, at_vertices
from divulge.reconstruction.network.known_layers import Dense, Prefix


def first_of(network):
    return Dense(*parameters(network)[0])


@pytest.mark.parametrize(("sizes", "count"), [((3, 9, 4, 1), 500), ((2, 7, 4, 1), 10), ((8, 64, 4, 1), 50)])
def test_as_many_hyperplanes_meet_as_there_are_inputs(sizes, count):
    first = first_of(random_deep(*sizes, seed=0))
    points = at_vertices(first, Lines(sizes[0], None, np.random.default_rng(0)), count)
    assert len(points) == min(count, comb(sizes[1], sizes[0]))
    assert are_all_vertices(first, count) == (comb(sizes[1], sizes[0]) <= count)
    size = 1 + np.linalg.norm(points, axis=1, keepdims=True)
    near = np.abs(first.levels(points)) / size / np.linalg.norm(first.rows, axis=1) < 1e-3
    assert (near.sum(axis=1) >= sizes[0]).mean() > 0.9


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_span_few_inputs_meet_within_their_span(seed):
    rng = np.random.default_rng(seed)
    first = Dense(rng.standard_normal((8, 3)) @ rng.standard_normal((3, 10)), rng.standard_normal(8))
    points = at_vertices(first, Lines(10, None, rng), 500)
    assert len(points) == comb(8, 3)
    size = 1 + np.linalg.norm(points, axis=1, keepdims=True)
    near = np.abs(first.levels(points)) / size / np.linalg.norm(first.rows, axis=1) < 1e-3
    assert (near.sum(axis=1) >= 3).mean() > 0.9
    assert np.linalg.matrix_rank(points) == 10


def test_many_inputs_meet_too():
    first = first_of(random_deep(64, 80, 4, 1, seed=0))
    assert len(at_vertices(first, Lines(64, None, np.random.default_rng(0)), 100)) == 100


def test_parallel_hyperplanes_meet_nowhere():
    first = Dense(np.array([[1.0, 2.0], [-1.0, -2.0], [2.0, 4.0]]), np.arange(3.0))
    lines = Lines(2, None, np.random.default_rng(0))
    assert len(at_vertices(first, lines, 20)) == 3  # spanned by one input: each by itself
    assert at_ends(first, lines, 20).shape == (2, 2)


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


@pytest.mark.parametrize("seed", range(5))
def test_a_unit_that_is_off_in_a_narrow_cone_alone_is_off_at_an_end(seed):
    first, rng = first_of(random_deep(3, 12, 6, 1, seed=seed)), np.random.default_rng(seed)
    prefix = Prefix(3, [first])
    ways = rng.standard_normal((20_000, 3))
    shares = prefix.features(1e6 * ways / np.linalg.norm(ways, axis=1, keepdims=True))
    # on everywhere but beside the way that is least
    row = rng.uniform(0.2, 1.0, 12)
    row = row - np.quantile((shares @ row) / shares.sum(axis=1), 2e-4)
    assert 0 < (shares @ row < 0).mean() < 1e-3
    assert (prefix.features(at_ends(first, Lines(3, None, rng), 1000)) @ row < 0).any()
