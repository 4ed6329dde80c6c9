"""Sides of a narrow layer's units, and what is on everywhere, from how later units bend at them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from deep_networks import parameters, prefix_of, probe_of, random_deep, units_of

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.cell_edges import Cell, bends_of
from divulge.reconstruction.deep.cells import drawn, walks
from divulge.reconstruction.deep.narrow_layers import free_layer
from divulge.reconstruction.deep.orientation.by_bends import chosen, filled, later_kinks, turned_by_bends
from divulge.reconstruction.deep.orientation.least_beside import Later, Leftovers
from divulge.reconstruction.deep.piece_edges import own_kinks, pieces_beside
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.settings import CELLS


def searched(network, depth, seed, turns=5):
    """A pool that has searched cells of the first layers, the first layer, and these layers."""
    lines = Lines(network[0].in_features, None, np.random.default_rng(seed))
    probe, prefix = probe_of(network), prefix_of(network, depth)
    pool, free = Pool(probe, lines), free_layer(probe, lines, prefix)
    for _ in range(turns):
        found = walks(probe, prefix, drawn(free, lines.rng, CELLS.draws), lines)
        pool.sweeps += found.searched()
    return pool, prefix, free


def turned_over(units, seed):
    """The units, some of them turned over, and which."""
    which = np.random.default_rng(seed).uniform(size=len(units)) < 0.5
    sign = np.where(which, -1.0, 1.0)
    return replace(units, rows=units.rows * sign[:, None], offsets=units.offsets * sign), which


def raised(network, layer, units):
    """The network with units of a hidden layer on wherever features are not too large."""
    with torch.no_grad():
        for unit in units:
            network[2 * layer].weight[unit].abs_()
            network[2 * layer].bias[unit].abs_()
    return network


@pytest.mark.parametrize("depth", [1, 2])
def test_sides_are_told(depth):
    told = 0
    for seed in range(3):
        network = random_deep(6, 6, 6, 6, 6, 1, seed=seed)
        pool, prefix, free = searched(network, depth, seed)
        units, which = turned_over(units_of(network, depth), seed)
        layer = turned_by_bends(pool, prefix, free, units)
        if layer is None:
            continue
        told += 1
        assert layer.passage == 0
        sign = np.where(which, -1.0, 1.0)
        np.testing.assert_allclose(layer.rows[: len(units)], sign[:, None] * units.rows, atol=1e-7)
        np.testing.assert_allclose(layer.offsets[: len(units)], sign * units.offsets, atol=1e-7)
    assert told >= 2


@pytest.mark.parametrize("on_everywhere", [1, 2])
def test_what_is_on_everywhere_is_told(on_everywhere):
    told = []
    for seed in range(4):
        network = raised(random_deep(6, 6, 6, 6, 1, seed=seed), 1, range(on_everywhere))
        pool, prefix, free = searched(network, 1, seed)
        every = units_of(network, 1)
        units, which = turned_over(every.take(np.arange(on_everywhere, len(every))), seed)
        layer = turned_by_bends(pool, prefix, free, units)
        told.append(layer is not None)
        if layer is None:
            continue
        sign = np.where(which, -1.0, 1.0)[:, None]
        np.testing.assert_allclose(layer.rows[: len(units)], sign * units.rows, atol=1e-7)
        beside, true = layer.rows[len(units) :], every.rows[:on_everywhere]
        assert len(beside) <= on_everywhere
        assert layer.passage == (len(beside) if len(beside) > 1 else 0)
        if len(beside) == on_everywhere:
            np.testing.assert_allclose(true @ np.linalg.pinv(beside) @ beside, true, atol=1e-6)
    assert sum(told) >= 2


def never_switching(seed):
    """A network whose third layer's unit 0 is on wherever feature 1 is."""
    network = random_deep(6, 6, 6, 6, 6, 1, seed=seed)
    with torch.no_grad():
        second, third = network[2], network[4]
        second.weight[1] = second.weight[0]
        second.weight[1, 2] -= 1.0
        second.bias[1] = second.bias[0] - 3.0  # on only where feature 0 is larger than 3
        third.weight[0] = torch.tensor([1.0, 0.7, 0, 0, 0, 0])
        third.bias[0] = -1.0
    return network


def test_an_entry_that_no_kink_shows_is_filled_in():
    told = 0
    for seed in range(4):
        network = never_switching(seed)
        pool, prefix, free = searched(network, 2, seed)
        units, which = turned_over(units_of(network, 2), seed)
        known = units.known.copy()
        known[0, 1] = False
        open_units = replace(units, rows=np.where(known, units.rows, 0.0), known=known)
        layer = turned_by_bends(pool, prefix, free, open_units)
        if layer is None:
            continue
        right = np.abs(layer.rows[: len(units)] - np.where(which, -1.0, 1.0)[:, None] * units.rows)
        assert right[known].max() < 1e-7
        told += right.max() < 1e-6
    assert told >= 1


@pytest.mark.parametrize("seed", range(3))
def test_shares_are_what_the_later_units_read(seed):
    network = random_deep(6, 6, 6, 5, 1, seed=seed)
    pool, prefix, free = searched(network, 1, seed)
    units = units_of(network, 1)
    kinks = chosen(units, later_kinks(pool, prefix, units), prefix)
    _, shares = bends_of(pool.probe, prefix, free, units, kinks)
    sizes = np.linalg.norm(parameters(network)[1][0], axis=1)
    true = parameters(network)[2][0] * sizes
    seen = 0
    for own in shares:
        has = ~np.isnan(own)
        if has.sum() < 3:
            continue
        cosine = true[:, has] @ own[has] / np.linalg.norm(true[:, has], axis=1) / np.linalg.norm(own[has])
        assert np.abs(cosine).max() > 1 - 1e-9
        seen += 1
    assert seen > 3


@pytest.mark.parametrize("seed", range(3))
def test_pieces_show_what_the_output_reads(seed):
    network = random_deep(6, 6, 5, 1, seed=seed)
    pool, prefix, free = searched(network, 1, seed)
    units = units_of(network, 1)
    found, _, shares = pieces_beside(pool.probe, prefix, free, units, *own_kinks(pool, prefix, units))
    true = parameters(network)[2][0][0] * np.linalg.norm(parameters(network)[1][0], axis=1)
    told = ~np.isnan(shares)
    assert told.any(axis=1).mean() > 0.5
    np.testing.assert_allclose(shares[told], np.broadcast_to(true, shares.shape)[told], rtol=1e-6, atol=1e-9)
    assert (found.residuals <= 1e-9).all()


def test_an_edge_lies_on_both_hyperplanes_and_in_the_cell():
    network = random_deep(6, 6, 6, 1, seed=4)
    _, prefix, free = searched(network, 1, 4, turns=1)
    units = units_of(network, 1)
    point = drawn(free, np.random.default_rng(0), 1)[0]
    cell = Cell.around(prefix, free, units, point)
    row, found = np.random.default_rng(1).standard_normal(6), 0
    features = prefix.features(point[None])[0]
    for j in range(6):
        signs = cell.signs.copy()
        place = cell.edge(row, -float(row @ features), 6 + j, signs, 1.0)
        if place is None:
            continue
        found += 1
        at = prefix.features(free.points(place[None]))[0]
        assert abs(row @ (at - features)) < 1e-7 * (1 + np.linalg.norm(at))
        assert abs(units.rows[j] @ at + units.offsets[j]) < 1e-7 * (1 + np.linalg.norm(at))
        levels = cell.slopes @ place + cell.constants
        others = np.arange(12) != 6 + j
        assert (levels * cell.signs > 0)[others].all()
    assert found


def test_shares_of_one_unit_are_filled_in():
    whole = np.array([1.0, -2.0, 0.5, 3.0, 1.5])
    shares = np.array([whole, -2 * whole, np.ones(5)])
    shares[0, 4] = shares[1, 0] = shares[2, 1] = np.nan
    out = filled(shares)
    np.testing.assert_allclose(out[:2], np.array([whole, -2 * whole]))
    assert np.isnan(out[2, 1])


def test_sides_in_doubt_are_not_told():
    rng = np.random.default_rng(0)
    units, _ = turned_over(units_of(random_deep(5, 5, 4, 1), 1), 0)
    rows = rng.standard_normal((12, 5))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    masks, above = np.ones((12, 5), bool), rng.uniform(size=(12, 4)) < 0.5
    assert Leftovers(units, Later(rows, masks, above, np.full((12, 4), np.nan)), 1e-7).right_sides() is None
    shares = rng.standard_normal((12, 4))
    assert Leftovers(units, Later(rows, masks, above, shares), 1e-7).right_sides() is None
