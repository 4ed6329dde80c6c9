"""Where lines must bend, against a dense scan of the network itself."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import parameters, prefix_of, random_deep

from divulge.reconstruction.asking.probe import Kinks
from divulge.reconstruction.deep.searched_segment import (
    SearchedSegment,
    breakpoints,
    crossings,
    split,
    zero_crossings,
)


def sweep_on(d, rng, low=-3.0, high=3.0):
    """A random line, no kinks on it."""
    return SearchedSegment(*rng.standard_normal((2, d)), low, high, np.empty(0), np.empty((0, d)))


def scanned(function, sweep, n=200_001):
    """Places where columns of function(points) change sign on a fine grid, and the columns."""
    t = np.linspace(sweep.low, sweep.high, n)
    levels = function(sweep.points(t))
    node, column = np.nonzero((levels[:-1] > 0) != (levels[1:] > 0))
    return (t[node] + t[node + 1]) / 2, column, t[1] - t[0]


@pytest.mark.parametrize("seed", range(4))
def test_zero_crossings_are_where_interpolation_vanishes(seed):
    rng = np.random.default_rng(seed)
    t, levels = np.sort(rng.uniform(size=9)), rng.standard_normal((9, 5))
    places, function = zero_crossings(t, levels)
    wanted = ((levels[:-1] > 0) != (levels[1:] > 0)).sum(axis=0)
    np.testing.assert_array_equal(np.bincount(function, minlength=5), wanted)
    for place, column in zip(places, function, strict=True):
        assert abs(np.interp(place, t, levels[:, column])) < 1e-12


def test_nothing_vanishes():
    places, function = zero_crossings(np.array([0.0, 1.0]), np.array([[1.0], [2.0]]))
    assert len(places) == len(function) == 0


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_breakpoints_are_the_networks(depth, seed):
    network, rng = random_deep(5, 8, 7, 6, 1, seed=seed), np.random.default_rng(seed)
    prefix, sweep = prefix_of(network, depth), sweep_on(5, rng)
    nodes = breakpoints(prefix, sweep)
    assert nodes[0] == sweep.low
    assert nodes[-1] == sweep.high
    places, _, step = scanned(lambda x: np.concatenate(prefix.levels(x), axis=1), sweep)
    np.testing.assert_allclose(nodes[1:-1], np.sort(places), atol=step)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_crossings_are_the_units(depth):
    network, rng = random_deep(5, 8, 7, 6, 1), np.random.default_rng(3)
    prefix, sweep = prefix_of(network, depth), sweep_on(5, rng)
    rows, offsets = parameters(network)[depth]
    t, unit = crossings(prefix, rows, offsets, sweep)
    places, column, step = scanned(lambda x: prefix.features(x) @ rows.T + offsets, sweep)
    ours, theirs = np.lexsort((t, unit)), np.lexsort((places, column))
    np.testing.assert_array_equal(unit[ours], column[theirs])
    np.testing.assert_allclose(t[ours], places[theirs], atol=step)
    assert len(t)


def test_kinks_are_sorted_by_line():
    t, jumps = np.array([0.1, 0.5, -1.0]), np.eye(3)
    origins, directions = np.zeros((3, 3)), np.ones((3, 3))
    kinks = Kinks(np.array([0, 0, 2]), t, t[:, None] * np.ones(3), jumps)
    sweeps = split(kinks, origins, directions, np.full(3, -2.0), np.full(3, 2.0))
    assert [list(s.t) for s in sweeps] == [[0.1, 0.5], [], [-1.0]]
    np.testing.assert_array_equal(sweeps[2].jumps, jumps[2:])
    np.testing.assert_array_equal(sweeps[0].points(sweeps[0].t), kinks.points[:2])
