"""A unit followed along its bent hyperplane, and the sides of the layer before it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deep_networks import kinks_of, owners, parameters, probe_of, random_deep

from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.follow import Follower
from divulge.reconstruction.deep.wide.sides import without_rest, wrong_sides
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import FOLLOWING


def turned_prefix(network, seed):
    """The first layer, rows of length 1 turned at random, and which are turned the wrong way."""
    rows, offsets = parameters(network)[0]
    wrong = np.random.default_rng(seed).uniform(size=len(rows)) < 0.5
    factor = np.where(wrong, -1.0, 1.0) / np.linalg.norm(rows, axis=1)
    return Prefix(rows.shape[1], [Dense(rows * factor[:, None], offsets * factor)]), wrong


def followers(network, known, layer, count, seed):
    """Units met on lines, each followed."""
    kinks, layers, units = kinks_of(network, lines=6, seed=seed)
    rng, probe = np.random.default_rng(seed), probe_of(network)
    found = []
    for place in np.flatnonzero(layers == layer):
        if units[place] not in [unit for unit, _ in found]:
            follower = Follower(probe, known, kinks.points[place], kinks.jumps[place], rng)
            found.append((units[place], follower))
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("sizes", [(5, 12, 10, 1), (8, 20, 16, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_bends_tell_the_row(sizes, seed):
    network = random_deep(*sizes, seed=seed)
    known = Known(turned_prefix(network, seed)[0], open_sides=True)
    row_lengths = np.linalg.norm(parameters(network)[0][0], axis=1)
    checked = 0
    for unit, follower in followers(network, known, 1, 4, seed):
        if not follower.go(20 * known.width):
            continue
        truth = parameters(network)[1][0][unit] * row_lengths
        seen = follower.equations.known[: known.width]
        found = follower.equations.solution[: known.width]
        factor = (found[seen] @ truth[seen]) / (truth[seen] @ truth[seen])
        np.testing.assert_allclose(found[seen], factor * truth[seen], atol=1e-6 * abs(factor))
        checked += seen.sum()
    assert checked > known.width


@pytest.mark.parametrize("seed", range(4))
def test_some_units_tell_all_sides(seed):
    network = random_deep(6, 14, 12, 1, seed=seed)
    prefix, wrong = turned_prefix(network, seed)
    known = Known(prefix, open_sides=True)
    units = [follower for _, follower in followers(network, known, 1, 12, seed) if follower.go(300)]
    found = wrong_sides(known, [unit.equations for unit in units])
    assert found is not None
    np.testing.assert_array_equal(found, wrong)
    rest = without_rest(known, units[0].equations, found, np.empty((0, 6)))
    assert len(rest.solution) == known.width


def test_too_few_units_leave_sides_open():
    network = random_deep(6, 14, 12, 1, seed=0)
    known = Known(turned_prefix(network, 0)[0], open_sides=True)
    (_, follower), *_ = followers(network, known, 1, 1, 0)
    follower.go(300)
    assert wrong_sides(known, [follower.equations]) is None


def test_no_unit_leaves_sides_open():
    network = random_deep(5, 12, 10, 1, seed=0)
    known = Known(turned_prefix(network, 0)[0], open_sides=True)
    assert wrong_sides(known, []) is None


def test_a_hyperplane_of_no_unit_hides_no_side():
    network = random_deep(6, 14, 12, 1, seed=1)
    prefix, wrong = turned_prefix(network, 1)
    false = np.random.default_rng(7).standard_normal(6)
    layer = prefix.layers[0]
    wider = Dense(np.vstack([layer.rows, false / np.linalg.norm(false)]), np.append(layer.offsets, 0.1))
    known = Known(Prefix(6, [wider]), open_sides=True)
    units = [follower for _, follower in followers(network, known, 1, 12, 1) if follower.go(300)]
    found = wrong_sides(known, [unit.equations for unit in units])
    assert found is not None
    np.testing.assert_array_equal(found[:-1], wrong)


def test_a_deeper_unit_gets_lost():
    network = random_deep(5, 12, 10, 10, 1, seed=2)
    known = Known(turned_prefix(network, 2)[0], open_sides=True)
    deeper = [follower for _, follower in followers(network, known, 2, 5, 2)]
    assert deeper
    assert not all(follower.go(40 * known.width) for follower in deeper)


@pytest.mark.parametrize("seed", range(3))
def test_one_edge_is_enough_to_give_a_deeper_unit_up(seed):
    network = random_deep(5, 12, 10, 10, 1, seed=seed)
    known = Known(turned_prefix(network, seed)[0], open_sides=True)
    kinks, layers, _ = kinks_of(network, lines=6, seed=seed)
    asked = {}
    for patience in (FOLLOWING.patience_then, FOLLOWING.patience):
        probe, rng = probe_of(network), np.random.default_rng(seed)
        for place in np.flatnonzero(layers == 2)[:8]:
            Follower(probe, known, kinks.points[place], kinks.jumps[place], rng, patience).go(400)
        asked[patience] = len(probe.answered()[0])
    assert asked[FOLLOWING.patience_then] < 0.7 * asked[FOLLOWING.patience]


@pytest.mark.parametrize("seed", range(3))
def test_a_unit_of_the_layer_is_followed_to_the_end_with_little_patience(seed):
    network = random_deep(5, 12, 10, 10, 1, seed=seed)
    known = Known(turned_prefix(network, seed)[0], open_sides=True)
    kinks, layers, _ = kinks_of(network, lines=4, seed=seed)
    probe, rng = probe_of(network), np.random.default_rng(seed)
    ends = [
        Follower(probe, known, kinks.points[place], kinks.jumps[place], rng, FOLLOWING.patience_then).go(400)
        for place in np.flatnonzero(layers == 1)[:8]
    ]
    assert np.mean(ends) > 0.7


@pytest.mark.parametrize("seed", range(3))
def test_a_unit_that_is_met_far_out_is_followed_there(seed):
    network = random_deep(3, 10, 8, 1, seed=seed)
    with torch.no_grad():
        network[2].bias -= 600.0 * torch.sign(network[2].bias)  # of 600 usual levels: nothing near switches
    known = Known(turned_prefix(network, seed)[0], open_sides=True)
    rng, probe = np.random.default_rng(seed), probe_of(network)
    origins, ways = 1000.0 * rng.standard_normal((2, 8, 3))
    kinks = probe.kinks(origins, ways, np.full(8, -3.0), np.full(8, 3.0))
    layers, _ = owners(network, kinks.points)
    far = np.flatnonzero((layers == 1) & (np.linalg.norm(kinks.points, axis=1) > 100 * np.sqrt(3)))
    assert len(far)
    followed = [
        Follower(probe, known, kinks.points[place], kinks.jumps[place], rng).go(200) for place in far[:10]
    ]
    assert np.mean(followed) > 0.7
