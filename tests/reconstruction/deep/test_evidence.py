"""Sweeps speak for the true units, and against invented ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from deep_networks import kinks_of, prefix_of, random_deep, units_of

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.evidence import distance, explained, hits, places, rank_within, well_inside
from divulge.reconstruction.deep.searched_segment import SearchedSegment, crossings
from divulge.reconstruction.settings import Tolerances

SIZES = (12, 9, 8, 1)
TOLERANCES = Tolerances.of(float(np.finfo(float).eps))


def lines_of(domain=None, d=12):
    """The attack's lines, none drawn yet."""
    return Lines(d, domain, np.random.default_rng(0))


def sweeps_of(network, count=4):
    """Random lines with every kink on them."""
    rng = np.random.default_rng(0)
    origins, directions = rng.standard_normal((2, count, network[0].in_features))
    kinks, _, _ = kinks_of(network, count)
    return [
        SearchedSegment(u, v, -50.0, 50.0, kinks.t[kinks.line == i], kinks.jumps[kinks.line == i])
        for i, (u, v) in enumerate(zip(origins, directions, strict=True))
    ]


def test_distance_to_the_nearest_of_rising_places():
    rng = np.random.default_rng(0)
    rising, t = np.sort(rng.uniform(size=7)), rng.uniform(-0.5, 1.5, size=40)
    np.testing.assert_array_equal(distance(rising, t), np.abs(rising - t[:, None]).min(axis=1))
    assert (distance(np.empty(0), t) == np.inf).all()


def test_rank_within_groups():
    np.testing.assert_array_equal(rank_within(np.array([2, 2, 2, 5, 7, 7])), [0, 1, 2, 0, 0, 1])


@pytest.mark.parametrize("seed", range(3))
def test_kinks_of_known_layers_are_explained(seed):
    network = random_deep(12, 9, 8, 6, 1, seed=seed)
    kinks, layer, _ = kinks_of(network)
    for depth in range(4):
        found = explained(prefix_of(network, depth), kinks.points, TOLERANCES.loose)
        np.testing.assert_array_equal(found, layer < depth)


@pytest.mark.parametrize("depth", [0, 1])
def test_true_units_are_hit_wherever_they_are_due(depth):
    network = random_deep(*SIZES)
    sweeps = sweeps_of(network)
    prefix, units = prefix_of(network, depth), units_of(network, depth)
    seen, due = hits(prefix, units, sweeps, TOLERANCES.missing)
    wanted = sum(
        np.bincount(crossings(prefix, units.rows, units.offsets, s)[1], minlength=len(units)) for s in sweeps
    )
    np.testing.assert_array_equal(due, wanted)
    assert due.sum() > 0
    assert seen.sum() >= 0.95 * due.sum()  # what follows a unit may be dead there
    rng = np.random.default_rng(1)
    invented = replace(units, rows=rng.permuted(units.rows, axis=1))
    seen, due = hits(prefix, invented, sweeps, TOLERANCES.missing)
    assert due.sum() > 0
    assert seen.sum() == 0


def test_crossings_count_only_where_the_row_is_known():
    network = random_deep(*SIZES)
    sweeps = sweeps_of(network)
    prefix, units = prefix_of(network, 1), units_of(network, 1)
    _, all_due = hits(prefix, units, sweeps, TOLERANCES.missing)
    known = units.known.copy()
    known[:, 0] = False
    _, due = hits(prefix, replace(units, known=known), sweeps, TOLERANCES.missing)
    assert due.sum() < all_due.sum()
    none = replace(units, known=np.zeros_like(known))
    seen, due = hits(prefix, none, [replace(s) for s in sweeps], TOLERANCES.missing)
    assert (seen <= due).all()
    assert due.sum() <= all_due.sum()


@pytest.mark.parametrize("sizes", [SIZES, (6, 9, 8, 1)], ids=["free", "by steps"])
def test_places_lie_on_the_hyperplanes(sizes):
    network = random_deep(*sizes)
    prefix, units = prefix_of(network, 1), units_of(network, 1)
    known = units.known.copy()
    known[:, 2] = False
    units = replace(units, known=known, rows=np.where(known, units.rows, 0.0))
    which, points = places(prefix, units, lines_of(d=sizes[0]), 3)
    assert len(which) > 8
    assert np.bincount(which).max() <= 3
    assert not prefix.masks(points)[:, 2].any()
    levels = np.einsum("np,np->n", units.rows[which], prefix.features(points)) + units.offsets[which]
    assert np.abs(levels / (1 + np.linalg.norm(points, axis=1))).max() < 1e-9


def test_well_inside_keeps_off_the_edge():
    points = np.array([[0.0, 0.0], [0.9999, 0.0], [0.0, -1.5]])
    np.testing.assert_array_equal(
        well_inside(points, lines_of((-np.ones(2), np.ones(2)), 2)), [True, False, False]
    )
    assert well_inside(points, lines_of(None, 2)).all()
