"""Kinks and pieces from values, against the network they come from."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import prefix_of, random_deep, units_of, victim_of
from random_victims import random_network
from torch import nn

from divulge import NotPiecewiseLinear, ValueOracle, Victim
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces_from_values import ValueTranscript
from divulge.reconstruction.asking.stopped import Stopped
from divulge.reconstruction.asking.value_probe import ValueProbe
from divulge.reconstruction.deep.hyperplane_queries import bend_shares, levels_and_slopes, onto_both
from divulge.reconstruction.network.known_layers import Prefix


def probe_of(victim: Victim, **options) -> ValueProbe:
    return probe_asking(ValueOracle(victim, **options))


def probe_asking(oracle: ValueOracle) -> ValueProbe:
    lines = Lines(oracle.input_size, oracle.domain, np.random.default_rng(3))
    return ValueProbe(ValueTranscript(AskedOutput(oracle, 0), lines))


@pytest.mark.parametrize(("size", "hidden"), [(2, 5), (10, 10), (60, 30), (200, 8)])
@pytest.mark.parametrize("seed", [0, 1])
def test_pieces_are_the_gradients(size, hidden, seed):
    victim = Victim(random_network(size, hidden, seed=seed), input_shape=(size,))
    probe = probe_of(victim)
    points = np.random.default_rng(seed).standard_normal((40, size))
    pieces = probe.pieces(points)
    values, gradients = victim.values_and_gradients(points, 0)
    np.testing.assert_allclose(pieces[:, :-1], gradients, atol=1e-8)
    np.testing.assert_allclose(
        np.einsum("nd,nd->n", pieces[:, :-1], points) + pieces[:, -1], values, atol=1e-12
    )
    with_radius = probe.pieces(points, np.full(40, 1e-3))
    np.testing.assert_allclose(with_radius[:, :-1], gradients, atol=1e-8)


def test_pieces_at_the_corners_of_a_box_stay_inside():
    victim = Victim(random_network(12, 6), input_shape=(12,))
    probe = probe_of(victim, domain=(-1, 1))
    corners = np.random.default_rng(0).choice([-1.0, 1.0], size=(30, 12))
    np.testing.assert_allclose(
        probe.pieces(corners)[:, :-1], victim.values_and_gradients(corners, 0)[1], atol=1e-8
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_kinks_of_several_lines(seed):
    network = random_network(12, 9, seed=seed)
    victim = Victim(network, input_shape=(12,))
    rng = np.random.default_rng(seed)
    origins, directions = rng.standard_normal((2, 5, 12))
    low, high = np.full(5, -2.0), np.linspace(1.0, 50.0, 5)
    kinks = probe_of(victim).kinks(origins, directions, low, high)
    weight, bias = (p.detach().numpy() for p in (network[0].weight, network[0].bias))
    t = -(origins @ weight.T + bias) / (directions @ weight.T)
    line, unit = np.nonzero((t > low[:, None]) & (t < high[:, None]))
    order = np.lexsort((t[line, unit], line))
    line, unit = line[order], unit[order]
    np.testing.assert_array_equal(kinks.line, line)
    np.testing.assert_allclose(kinks.t, t[line, unit], rtol=1e-9)
    np.testing.assert_allclose(kinks.points, origins[line] + kinks.t[:, None] * directions[line])
    after = weight[unit] * network[2].weight.detach().numpy()[0, unit, None]
    after *= np.sign(np.einsum("nd,nd->n", weight[unit], directions[line]))[:, None]
    np.testing.assert_allclose(kinks.jumps, after, atol=1e-8)


def test_no_kinks_on_no_lines_and_no_pieces_at_no_points():
    probe = probe_of(Victim(random_network(4, 3), input_shape=(4,)))
    none = np.empty((0, 4))
    assert len(probe.kinks(none, none, np.empty(0), np.empty(0))) == 0
    assert probe.pieces(none).shape == (0, 5)


def test_the_budget_stops_it():
    victim = Victim(random_network(8, 4), input_shape=(8,))
    probe = probe_of(victim, budget=60)
    with pytest.raises(Stopped, match="budget of 60"):
        probe.pieces(np.zeros((10, 8)))


def test_a_curved_function_is_refused():
    victim = Victim(nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 1)).double(), input_shape=(6,))
    with pytest.raises(NotPiecewiseLinear, match="values bend"):
        probe_of(victim)


def test_bends_says_where_a_hyperplane_is():
    network = random_network(12, 9)
    oracle = ValueOracle(Victim(network, input_shape=(12,)))
    probe = probe_asking(oracle)
    weight, bias = (p.detach().numpy() for p in (network[0].weight, network[0].bias))
    points = np.random.default_rng(1).standard_normal((9, 12))
    size = np.linalg.norm(weight, axis=1)
    feet = points - ((np.einsum("nd,nd->n", weight, points) + bias) / size**2)[:, None] * weight
    steps = np.full(9, 1e-4)
    before = oracle.ledger.total
    assert probe.bends(feet, weight, steps).all()
    assert oracle.ledger.total - before == 8 * 9
    assert not probe.bends(feet + 1e-5 * weight, weight, steps).any()
    assert not probe.bends(feet, weight + points, steps).any()
    assert not probe.bends(feet + weight, weight, steps).any()
    assert probe.bends(np.empty((0, 12)), np.empty((0, 12)), np.empty(0)).shape == (0,)


def test_answered_holds_every_piece():
    victim = Victim(random_network(6, 4), input_shape=(6,))
    probe = probe_of(victim)
    probe.pieces(np.ones((2, 6)))
    probe.kinks(np.zeros((1, 6)), np.ones((1, 6)), np.array([-9.0]), np.array([9.0]))
    points, pieces = probe.answered()
    values, gradients = victim.values_and_gradients(points, 0)
    assert len(points) > 3
    np.testing.assert_allclose(pieces[:, :-1], gradients, atol=1e-8)
    np.testing.assert_allclose(pieces[:, -1], values - np.einsum("nd,nd->n", gradients, points), atol=1e-8)


def test_slopes_along_directions():
    victim = Victim(random_network(9, 5), input_shape=(9,))
    rng = np.random.default_rng(0)
    points, directions = rng.standard_normal((20, 9)), rng.standard_normal((20, 3, 9))
    found = probe_of(victim).slopes(points, directions, np.full(20, 1e-6))
    _, gradients = victim.values_and_gradients(points, 0)
    np.testing.assert_allclose(found, np.einsum("nqd,nd->nq", directions, gradients), atol=1e-7)


def test_how_hyperplanes_bend_takes_eight_values_a_place():
    network = random_deep(12, 9, 8, 1)
    prefix, units = prefix_of(network, 1), units_of(network, 1)
    rng = np.random.default_rng(1)
    unit, feature = rng.integers(0, 8, 60), rng.integers(0, 9, 60)
    points = onto_both(
        prefix, units.rows[unit], units.offsets[unit], Prefix(12), feature, rng.standard_normal((60, 12))
    )
    level, _ = levels_and_slopes(prefix, units.rows[unit], units.offsets[unit], points)
    edge = prefix.levels(points)[0][np.arange(60), feature]
    landed = (np.abs(level) < 1e-9) & (np.abs(edge) < 1e-9)
    unit, feature, points = unit[landed], feature[landed], points[landed]
    off = prefix.masks(points)
    off[np.arange(len(points)), feature] = False
    first = prefix.layers[0].rows
    normals, bends = (units.rows[unit] * off) @ first, first[feature]
    oracle = ValueOracle(victim_of(network))
    probe = probe_asking(oracle)
    before = oracle.ledger.total
    shares, good = bend_shares(probe, points, normals, bends)
    assert oracle.ledger.total - before == 8 * len(points)
    assert good.mean() > 0.9
    np.testing.assert_allclose(shares[good], units.rows[unit, feature][good], atol=1e-6)
    shares, good = bend_shares(probe, points, rng.standard_normal(normals.shape), bends)
    assert not good.any()
    assert not shares.any()
