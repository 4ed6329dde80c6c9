"""Weak units of a first layer, looked for where all others are off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from deep_networks import prefix_of, probe_of, random_deep, units_of, victim_of

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.candidates import joined
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.deep.unexplained_gradients import dark_origin, unexplained
from divulge.reconstruction.deep.weak_in_the_dark import confirmed_in_the_dark, met_in_the_dark


def with_weak_units(*sizes, seed, strengths=(1e-5, 1e-7, 1e-8), bias=0.3):
    """A random network of whose first layer the last units hardly count, and the second's biases."""
    network = random_deep(*sizes, seed=seed)
    with torch.no_grad():
        network[2].weight[:, -len(strengths) :] *= torch.tensor(strengths, dtype=torch.float64)
        network[2].bias += bias
    return network


def answered(network, points=300, seed=0):
    """A probe of the network with some answers, lines, and the units of the first layer."""
    probe = probe_of(network)
    size = network[0].in_features
    probe.pieces(np.random.default_rng(seed).standard_normal((points, size)))
    return probe, Lines(size, None, np.random.default_rng(1)), units_of(network, 0)


@pytest.mark.parametrize("seed", range(4))
def test_in_the_dark_all_known_units_are_off_and_the_weak_ones_are_all_there_is(seed):
    network = with_weak_units(30, 12, 8, 1, seed=seed)
    probe, lines, first = answered(network, seed=seed)
    known = first.take(np.arange(9))
    dark = dark_origin(probe, known, lines)
    assert dark is not None
    on = prefix_of(network, 1).features(dark[None])[0]
    assert not on[:9].any()
    left = unexplained(probe, known.rows)
    assert left is not None
    assert left[0] < 1e-4


def test_there_is_a_dark_place_though_a_unit_was_met_twice_at_blunt_offsets():
    network = with_weak_units(30, 12, 8, 1, seed=0)
    probe, lines, first = answered(network)
    twice = first.take(np.array([*range(9), 4]))
    twice = replace(twice, offsets=twice.offsets + np.array([*[0.0] * 9, 1e-5]))
    assert dark_origin(probe, twice, lines) is not None


@pytest.mark.parametrize("seed", range(4))
def test_a_few_lines_through_the_dark_meet_all_weak_units_and_no_other(seed):
    network = with_weak_units(50, 24, 8, 1, seed=seed, strengths=tuple(np.logspace(-5, -8, 10)))
    probe, lines, first = answered(network, seed=seed)
    known, pool = first.take(np.arange(14)), Pool(probe, lines)
    for _ in range(3):
        left = unexplained(probe, known.rows)
        if left is None:
            break
        found = met_in_the_dark(pool, known, left[1], lines)
        assert found is not None
        known = joined(known, found)
    cosines = np.abs(known.rows @ first.rows.T)
    np.testing.assert_allclose(cosines.max(axis=1), 1.0, atol=1e-9)
    np.testing.assert_array_equal(np.sort(cosines.argmax(axis=1)), np.arange(24))


def test_there_is_no_dark_where_a_strong_unit_is_missing():
    network = with_weak_units(30, 12, 8, 1, seed=0)
    probe, lines, first = answered(network)
    origins = [dark_origin(probe, first.take(np.arange(1, 9)), lines) for _ in range(12)]
    assert any(origin is None for origin in origins)


def test_in_the_dark_deeper_units_that_switch_along_a_row_are_told_from_its_own():
    network = with_weak_units(30, 12, 8, 1, seed=2)
    probe, lines, first = answered(network)
    known, weak = first.take(np.arange(12) != 9), first.take(np.arange(12) == 9)
    assert confirmed_in_the_dark(probe, weak, known, lines).all()
    w, b = network[2].weight.detach().numpy(), network[2].bias.detach().numpy()
    row = network[0].weight.detach().numpy()[9]
    sign, size = np.sign(weak.rows[0] @ row), np.linalg.norm(row)
    alone = -b / w[:, 9] / size  # the level at which a second-layer unit switches by this feature alone
    for level in alone[alone > 0]:
        deeper = replace(weak, offsets=weak.offsets - sign * level)
        assert not confirmed_in_the_dark(probe, deeper, known, lines).any()


@pytest.mark.parametrize("sizes", [(40, 20, 16, 2), (50, 18, 24, 1), (90, 24, 24, 3)])
@pytest.mark.parametrize("seed", range(2))
def test_a_network_with_weak_units_comes_out_whole(sizes, seed):
    network = with_weak_units(*sizes, seed=seed)
    result = reconstruct(GradientOracle(victim_of(network), budget=6000), seed=seed)
    assert result.complete
    assert result.hidden_sizes[0] == sizes[1]
    points = torch.from_numpy(np.random.default_rng(1).standard_normal((2000, sizes[0])))
    with torch.no_grad():
        off = (result.module(points) - network(points)).abs().max() / network(points).abs().max()
    assert off < 1e-8


@pytest.mark.parametrize("seed", range(2))
def test_without_a_dark_place_no_wrong_copy_is_called_complete(seed):
    network = with_weak_units(30, 12, 8, 1, seed=seed, bias=-1.5)
    result = reconstruct(GradientOracle(victim_of(network), budget=4000), seed=seed)
    points = torch.from_numpy(np.random.default_rng(1).standard_normal((2000, 30)))
    with torch.no_grad():
        off = (result.module(points) - network(points)).abs().max() / network(points).abs().max()
    assert not result.complete or off < 1e-6
