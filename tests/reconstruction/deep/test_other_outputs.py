"""The second layer behind outputs that were not searched: rows measured again, units added."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from deep_networks import prefix_of, random_deep, units_of, victim_of

from divulge import GradientOracle
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.deep.attack import DeepAttack
from divulge.reconstruction.deep.candidates import joined
from divulge.reconstruction.deep.other_outputs import taken
from divulge.reconstruction.deep.positive_features import PositiveLines
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.sharpen_behind import has_weak, sharpened_behind


def probes_of(network):
    """What asks each output of a network."""
    oracle = GradientOracle(victim_of(network))
    return [GradientProbe(Transcript(AskedOutput(oracle, k))) for k in range(network[-1].out_features)]


def weakly_used(*sizes, seed, least):
    """A random network whose first output weighs the second layer's units from 1 down to `least`."""
    network = random_deep(*sizes, seed=seed)
    with torch.no_grad():
        network[4].weight[0] *= torch.logspace(0.0, np.log10(least), sizes[2], dtype=torch.float64)
    return network


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("seed", range(3))
def test_weak_units_are_measured_behind_the_output_that_shows_them_best(seed, scale):
    network = weakly_used(40, 20, 24, 3, seed=seed, least=1e-9)
    with torch.no_grad():
        network[4].weight *= scale
    probes, truth, rng = probes_of(network), units_of(network, 1), np.random.default_rng(seed)
    free = FreeLayer.of(prefix_of(network, 1), None, rng.standard_normal((50, 40)))
    weights = network[4].weight.detach().numpy() * np.linalg.norm(network[2].weight.detach().numpy(), axis=1)
    blunt = rng.standard_normal((2, *truth.rows.shape)) * 1e-6 / np.sqrt(20)
    weak = np.abs(weights[0]) < 1e-5 * np.abs(weights[0]).max()
    twin = np.flatnonzero(weak)[:1]
    rough = replace(
        truth,
        rows=truth.rows + weak[:, None] * blunt[0],
        offsets=truth.offsets + weak * 1e-4 * rng.standard_normal(24),
    )
    again = replace(truth, rows=truth.rows + blunt[1], offsets=truth.offsets - 2e-4).take(twin)
    both, shown = joined(rough, again), np.column_stack([weights, weights[:, twin]])
    assert has_weak(shown)
    lines = PositiveLines(free, rng)
    found = sharpened_behind(probes.__getitem__, both, shown, lines)
    assert len(found) == 24
    np.testing.assert_allclose(found.rows, truth.rows, atol=1e-9)
    np.testing.assert_allclose(found.offsets, truth.offsets, atol=1e-8)


@pytest.mark.parametrize("gap", [2e-4, 8e-4])
@pytest.mark.parametrize("seed", range(2))
def test_weak_units_close_to_each_other_stay_two(seed, gap):
    network, rng = weakly_used(40, 20, 24, 3, seed=seed, least=1e-9), np.random.default_rng(seed)
    with torch.no_grad():
        nearly = rng.standard_normal(20) * gap / np.sqrt(20) * network[2].weight[22].norm().item()
        network[2].weight[23] = network[2].weight[22] + torch.from_numpy(nearly)
        network[2].bias[23] = network[2].bias[22]
    truth = units_of(network, 1)
    free = FreeLayer.of(prefix_of(network, 1), None, rng.standard_normal((50, 40)))
    weights = network[4].weight.detach().numpy() * np.linalg.norm(network[2].weight.detach().numpy(), axis=1)
    found = sharpened_behind(probes_of(network).__getitem__, truth, weights, PositiveLines(free, rng))
    assert len(found) == 24
    np.testing.assert_allclose(found.rows, truth.rows, atol=1e-9)


def weak_everywhere(seed, factor):
    """A network whose outputs all weigh the last four of 16 units little, its weights, its first layer."""
    network = weakly_used(40, 20, 16, 3, seed=seed, least=1e-2)
    with torch.no_grad():
        network[4].weight[:, 12:] *= factor
        network[4].weight[0, 12:] *= 1e-3
    rows, weights = (network[layer].weight.detach().numpy() for layer in (2, 4))
    free = FreeLayer.of(prefix_of(network, 1), None, np.random.default_rng(seed).standard_normal((50, 40)))
    return network, weights * np.linalg.norm(rows, axis=1), free


@pytest.mark.parametrize("seed", range(3))
def test_weak_units_are_placed_by_gradients_where_values_are_too_coarse(seed):
    network, weights, free = weak_everywhere(seed, 1e-6)
    truth, rng = units_of(network, 1), np.random.default_rng(seed)
    weak = np.arange(16) >= 12
    rough = replace(
        truth,
        rows=truth.rows + weak[:, None] * 1e-6 / np.sqrt(20) * rng.standard_normal(truth.rows.shape),
        offsets=truth.offsets + weak * 1e-3,
    )
    found = sharpened_behind(probes_of(network).__getitem__, rough, weights, PositiveLines(free, rng))
    assert len(found) == 16
    np.testing.assert_allclose(found.rows, truth.rows, atol=1e-8)
    np.testing.assert_allclose(found.offsets, truth.offsets, atol=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_differ_by_rounding_alone_stay(seed):
    network, weights, free = weak_everywhere(seed, 1e-6)
    truth, probes = units_of(network, 1), probes_of(network)
    lines = PositiveLines(free, np.random.default_rng(seed))
    found = sharpened_behind(probes.__getitem__, truth, weights, lines)
    np.testing.assert_array_equal(found.rows, truth.rows)
    np.testing.assert_array_equal(found.offsets, truth.offsets)
    assert sum(len(probe.transcript) for probe in probes) <= 2 * 4 * 8  # two a place


@pytest.mark.parametrize("seed", range(2))
def test_units_measured_again_that_explain_less_are_not_taken(monkeypatch, seed):
    network = random_deep(40, 16, 14, 3, seed=seed)
    with torch.no_grad():
        network[4].weight[0, 5] = 0.0  # the first output is explained without it
    probes, lines = probes_of(network), Lines(40, None, np.random.default_rng(seed))
    attack = DeepAttack(probes.__getitem__, range(3), lines, lambda _: None, lambda _: None)
    assert attack.run().solved
    units = attack.search.confirmed[1]
    lost = np.abs(attack.search.best.layer.weights[0]).argmin()

    def one_less(search, probe_at, fit):
        return taken(search, fit, units.take(np.arange(14) != lost))

    monkeypatch.setattr("divulge.reconstruction.deep.attack.sharpened", one_less)
    found = attack.finished(attack.search.best)
    assert found.solved
    assert attack.search.confirmed[1] is units
    assert len(attack.search.best.layer) == 14


def test_behind_one_first_layer_nothing_is_asked_twice_beside_the_axes():
    probes, lines = probes_of(random_deep(40, 16, 14, 3, seed=0)), Lines(40, None, np.random.default_rng(0))
    attack = DeepAttack(probes.__getitem__, range(3), lines, lambda _: None, lambda _: None)
    found = attack.run()
    assert found.solved
    asked = [len(probe.transcript) for probe in probes]
    attack.beside_axes(attack.search.best).off(found.model)
    assert [len(probe.transcript) for probe in probes] == asked


def test_where_no_unit_is_weak_nothing_is_asked():
    network = random_deep(30, 12, 10, 2, seed=0)
    probes, units, rng = probes_of(network), units_of(network, 1), np.random.default_rng(0)
    free = FreeLayer.of(prefix_of(network, 1), None, rng.standard_normal((50, 30)))
    assert not has_weak(np.ones((2, 10)))
    found = sharpened_behind(probes.__getitem__, units, np.ones((2, 10)), PositiveLines(free, rng))
    np.testing.assert_array_equal(found.rows, units.rows)
    assert not any(len(probe.transcript) for probe in probes)


@pytest.mark.parametrize("seed", range(2))
def test_a_refuted_copy_keeps_its_units_and_adds_what_the_output_shows(seed):
    network = random_deep(40, 16, 14, 3, seed=seed)
    with torch.no_grad():
        network[4].weight[0, 5] = 0.0
    probes, lines = probes_of(network), Lines(40, None, np.random.default_rng(seed))
    attack = DeepAttack(probes.__getitem__, range(3), lines, lambda _: None, lambda _: None)
    assert attack.run().solved
    search = attack.search
    first, units = search.oriented_layers[0], search.confirmed[1]
    lost = np.abs(search.best.layer.weights[0]).argmin()
    assert np.abs(search.best.layer.weights[0, lost]) < 1e-12
    search.confirmed[1] = units.take(np.arange(14) != lost)
    search.best = search.as_last(search.best.prefix, search.confirmed[1])
    asked = sum(len(probe.transcript) for probe in probes)
    point = lines.samples(200)
    point = point[torch.argmax(network[:3](torch.from_numpy(point))[:, 5])][None]
    found = attack.run_on(point, 1)
    assert found.solved
    assert found.model.hidden_sizes == [16, 14]
    assert search.oriented_layers[0] is first
    assert sum(len(probe.transcript) for probe in probes) - asked < 350
    assert probes[1].misses(point, found.model.pieces(point, 1)).max() < 1e-9


def test_beside_an_axis_a_copy_may_be_off_by_less_than_counts_as_missing():
    probes, lines = probes_of(random_deep(40, 16, 14, 3, seed=0)), Lines(40, None, np.random.default_rng(0))
    attack = DeepAttack(probes.__getitem__, range(3), lines, lambda _: None, lambda _: None)
    found = attack.run()
    axes = attack.beside_axes(attack.search.best)
    assert attack.with_axes(found, axes, np.array([0.0, 5e-8, 0.0])).solved
    assert attack.with_axes(found, axes, np.array([0.0, 5e-8, 0.0])).certificate == 5e-8
    assert attack.with_axes(found, axes, np.array([0.0, 5e-8, 0.0])).beside_axes == 5e-8
    assert attack.with_axes(found, axes, np.array([0.0, 5e-12, 0.0])).beside_axes is None
    assert not attack.with_axes(found, axes, np.array([0.0, 2e-7, 0.0])).solved
