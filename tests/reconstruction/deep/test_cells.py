"""Cells of the known layers: which are chosen, lines through them, units that are on everywhere."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from deep_networks import parameters, prefix_of, probe_of, random_deep, units_of, victim_of

import divulge
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.cell_edges import with_open_entries
from divulge.reconstruction.deep.cells import aimed, drawn, steadied, strewn, told, walks
from divulge.reconstruction.deep.layer_by_layer import DeepSearch
from divulge.reconstruction.deep.narrow_layers import NarrowLayers
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import CELLS


def free_layer(network, rng):
    """The network's first layer."""
    samples = rng.standard_normal((50, network[0].in_features))
    free = FreeLayer.of(prefix_of(network, 1), None, samples)
    assert free is not None
    return free


@pytest.mark.parametrize("depth", [1, 2])
def test_told_cells_show_rows_whole(depth):
    rng = np.random.default_rng(depth)
    network = random_deep(9, 7, 6, 5, 1, seed=depth)
    prefix = prefix_of(network, depth)
    points = drawn(free_layer(network, rng), rng, 300)
    good = told(prefix, points)
    ranks = np.linalg.matrix_rank(prefix.jacobians(points[good]))
    assert good.sum() > 20
    np.testing.assert_array_equal(ranks, prefix.masks(points[good]).sum(axis=1))


@pytest.mark.parametrize("seed", range(3))
def test_strewn_points_stay_in_their_cells(seed):
    rng = np.random.default_rng(seed)
    network = random_deep(8, 8, 6, 4, 1, seed=seed)
    prefix, points = prefix_of(network, 2), drawn(free_layer(network, rng), rng, 60)
    rows = parameters(network)[2][0]
    moved = strewn(prefix, rows, points, rng)
    assert (np.linalg.norm(moved - points, axis=1) > 0).any()
    for before, after in zip(prefix.levels(points), prefix.levels(moved), strict=True):
        np.testing.assert_array_equal(before > 0, after > 0)


@pytest.mark.parametrize(("sizes", "depth"), [((8, 6, 6, 1), 1), ((9, 8, 7, 6, 1), 1), ((9, 8, 7, 6, 1), 2)])
def test_walks_meet_nearly_every_kink(sizes, depth):
    rng = np.random.default_rng(depth)
    network = random_deep(*sizes, seed=depth)
    victim, lines = victim_of(network), Lines(sizes[0], None, rng)
    draws = drawn(free_layer(network, rng), rng, CELLS.draws)
    found = walks(probe_of(network), prefix_of(network, depth), draws, lines)
    assert found is not None
    constant = []
    for line in found.searched():
        for start, end in pairwise([line.low, *line.t, line.high]):
            inner = line.points(start + (end - start) * np.array([1e-3, 0.3, 0.7, 1 - 1e-3]))
            gradients = victim.values_and_gradients(inner, 0)[1]
            constant.append(np.ptp(gradients, axis=0).max() <= 1e-8 * np.abs(gradients).max())
    assert len(constant) > 30
    assert np.mean(constant) > 0.95  # a deeper unit may switch twice between two equal answers


def test_a_unit_that_seems_to_be_on_everywhere_is_aimed_at():
    rng = np.random.default_rng(0)
    network = random_deep(8, 6, 5, 1)
    prefix, free = prefix_of(network, 1), free_layer(network, rng)
    lines = Lines(8, None, rng)
    row, offset = np.array([1.0, 0.5, -1e-2, 2.0, 0.3, 1.0]), 1.0
    starts, ends = aimed(prefix, free, row, lines)
    assert (prefix.features(starts) @ row + offset < 0).any()
    assert (prefix.features(ends) @ row + offset > 0).all()
    assert not len(aimed(prefix, free, np.abs(row), lines)[0])


def test_a_unit_on_everywhere_needs_no_large_offset():
    rng = np.random.default_rng(1)
    network = random_deep(8, 6, 5, 1)
    prefix, free, lines = prefix_of(network, 1), free_layer(network, rng), Lines(8, None, rng)
    layer = Dense(np.array([[1.0, -1, 0, 0, 0, 0], [-1, -2, -1, -1, -1, -3]]), np.array([0.5, 1e5]))
    held = steadied(prefix, free, layer, lines)
    np.testing.assert_array_equal(held.rows, layer.rows * np.array([[1.0], [-1.0]]))
    assert held.offsets[0] == 0.5
    assert 0 < held.offsets[1] < 1e5
    mixed = Dense(layer.rows[::-1], layer.offsets[::-1])
    assert steadied(prefix, free, mixed, lines) is mixed


def test_narrow_deep_networks_come_out_whole():
    points, complete = np.random.default_rng(9).standard_normal((2000, 60)), 0
    for seed in range(3):
        victim = victim_of(random_deep(60, 10, 8, 5, 1, seed=seed))
        result = divulge.reconstruct(divulge.GradientOracle(victim, budget=8000), seed=seed)
        with torch.no_grad():
            wrong = result.module(torch.from_numpy(points)).numpy() - victim.values(points)
        assert not result.complete or np.abs(wrong).max() < 1e-8 * np.ptp(victim.values(points))
        complete += result.complete
    assert complete >= 1  # where two units of a layer are on everywhere it stays open


def test_cells_are_searched_once_other_ways_have_shown_too_little():
    network = random_deep(9, 7, 6, 1, seed=0)
    probe, lines = probe_of(network), Lines(9, None, np.random.default_rng(0))
    narrow, before = NarrowLayers(probe, Pool(probe, lines), lines), lines.rng.bit_generator.state
    prefix = prefix_of(network, 1)
    assert [narrow.begins(prefix, lambda: False) for _ in range(CELLS.after_rounds - 1)] == [False, False]
    assert narrow.first(prefix) is None
    assert lines.rng.bit_generator.state == before  # what other ways draw is left as it is
    assert not narrow.begins(Prefix(9), lambda: False)  # no first layer
    assert not narrow.begins(prefix, lambda: True)  # one that hands on its input
    assert narrow.begins(prefix, lambda: False)
    assert narrow.first(prefix) is not None
    assert narrow.first(Prefix(9)) is None
    assert not narrow.begins(prefix, lambda: False)  # it begins once


def test_units_that_are_lost_completed_or_exchanged_count_as_change_in_cells_alone():
    network = random_deep(9, 7, 6, 5, 1, seed=0)
    probe, lines = probe_of(network), Lines(9, None, np.random.default_rng(0))
    search, units = DeepSearch(probe, lines, lambda depth: None, lambda fit: None), units_of(network, 1)
    five, other = units.take(np.arange(5)), units.take(np.arange(1, 6))
    open_entries = replace(five, known=five.known & (np.arange(7) > 0))
    assert search.changed(five, None)
    cases = [(five, units), (units, units), (units, five), (other, five), (five, open_entries)]
    assert [search.changed(*case) for case in cases] == [False, False, True, False, False]
    search.narrow.begun = True
    assert [search.changed(*case) for case in cases] == [True, False, True, True, True]


def test_nothing_is_told_where_nothing_is_on():
    prefix = Prefix(3, [Dense(np.eye(3), np.full(3, -1.0))])
    assert told(prefix, np.array([[0.0, 0, 0], [2, 0, 0]])).tolist() == [False, True]


def test_later_units_are_asked_again_only_once_more_is_known():
    network = random_deep(9, 7, 6, 5, 1, seed=0)
    probe, lines = probe_of(network), Lines(9, None, np.random.default_rng(0))
    pool, prefix, units = Pool(probe, lines), prefix_of(network, 1), units_of(network, 1)
    narrow, free = NarrowLayers(probe, pool, lines), free_layer(network, lines.rng)
    found = walks(probe, prefix, drawn(free, lines.rng, CELLS.draws), lines)
    assert found is not None
    pool.sweeps += found.searched()

    def asked(units):
        before = len(probe.answered()[0])
        narrow.turned_by_bends(prefix, free, units)
        return len(probe.answered()[0]) > before

    five = units.take(np.arange(5))
    assert [asked(five), asked(five), asked(units), asked(units)] == [True, False, True, False]
    pool.sweeps += found.searched()
    assert asked(units)


def test_an_open_entry_keeps_its_unit_in_one_state():
    prefix = Prefix(2, [Dense(np.array([[1.0, 0], [1, -1]]), np.array([0.0, -3.0]))])
    unit = units_of(random_deep(2, 2, 1, 1), 1)
    known = np.array([[True, False]])
    unit = replace(unit, rows=np.array([[-1.0, 0.0]]), known=known, offsets=np.array([4.0]))
    points = np.random.default_rng(0).uniform(0, 5, (500, 2))
    decided = with_open_entries(prefix, unit, points)
    on = prefix.masks(points)[:, 1]
    assert on.sum() > 5
    levels = prefix.features(points) @ decided.rows[0] + decided.offsets[0]
    assert (levels[on] > 0).all() or (levels[on] < 0).all()
    assert decided.rows[0, 0] == -1.0
