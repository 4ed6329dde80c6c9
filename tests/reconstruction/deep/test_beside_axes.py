"""Units of the second layer that the first output does not use, on far out beside one feature alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deep_networks import parameters, prefix_of, random_deep, victim_of

from divulge import GradientOracle, JacobianOracle, reconstruct
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.deep.beside_axes import BesideAxes, may_hide
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer


def with_hidden_unit(*sizes, seed, used_by):
    """A random network whose first second-layer unit only some outputs use; it is on beside one axis."""
    network, rng = random_deep(*sizes, seed=seed), np.random.default_rng(seed)
    row = -np.abs(rng.standard_normal(sizes[1])) - 0.1
    row[rng.integers(sizes[1])] = 1.0
    unused = np.setdiff1d(np.arange(sizes[3]), used_by)
    with torch.no_grad():
        network[2].weight[0], network[2].bias[0] = torch.from_numpy(row), -20.0
        network[4].weight[unused, 0] = 0.0
    return network


def error(network, copy):
    """How far a copy is off beside the axes, of the largest value."""
    (rows, offsets), *_ = parameters(network)
    levels = 1e3 * np.diag(np.linalg.norm(rows, axis=1)) + 1e-3
    points = torch.from_numpy((levels - offsets) @ np.linalg.pinv(rows).T)
    with torch.no_grad():
        truth = network(points)
        return float((truth - copy(points)).abs().max() / truth.abs().max())


def copy_of(network, units):
    """A copy with some of the second layer's units."""
    _, (rows, offsets), (weights, bias) = parameters(network)
    base = np.column_stack([np.zeros((len(bias), rows.shape[1])), bias])
    return DeepModel(
        prefix_of(network, 1), Layer(np.column_stack([rows, offsets])[units], weights[:, units], base)
    )


@pytest.mark.parametrize("used_by", [[1, 2, 3, 4], [3]])
@pytest.mark.parametrize("seed", range(2))
def test_a_unit_that_the_first_output_does_not_use_is_found(seed, used_by):
    network = with_hidden_unit(40, 20, 30, 5, seed=seed, used_by=used_by)
    result = reconstruct(GradientOracle(victim_of(network)), seed=seed)
    assert result.complete
    assert result.hidden_sizes == (20, 30)
    assert error(network, result.module) < 1e-9


@pytest.mark.parametrize("seed", range(2))
def test_where_all_outputs_are_told_at_once_one_output_is_enough(seed):
    network = with_hidden_unit(60, 24, 20, 10, seed=seed, used_by=[7])
    result = reconstruct(JacobianOracle(victim_of(network)), seed=seed)
    assert result.complete
    assert error(network, result.module) < 1e-9
    assert result.certificate.left_out == 0
    assert "one output alone" not in str(result.certificate)


@pytest.mark.parametrize(("seed", "used_by"), [(1, 1), (1, 3), (2, 2)])
def test_of_few_outputs_none_hides_a_unit(seed, used_by):
    network = with_hidden_unit(120, 60, 40, 4, seed=seed, used_by=[used_by])
    result = reconstruct(GradientOracle(victim_of(network), budget=6000), seed=seed)
    assert not result.complete or error(network, result.module) < 1e-9


def test_few_outputs_are_all_asked_everywhere():
    result = reconstruct(GradientOracle(victim_of(random_deep(120, 60, 40, 4, seed=0))), seed=0)
    assert result.complete
    assert result.certificate.left_out == 0


def test_what_is_not_asked_is_said():
    network = random_deep(60, 24, 20, 10, seed=0)
    result = reconstruct(GradientOracle(victim_of(network)), seed=0)
    assert result.complete
    assert 0 < result.certificate.left_out < 1
    assert f"at {100 * result.certificate.left_out:.0f}% of such places" in str(result.certificate)


def beside(network, all_outputs=False):
    """What asks a network's outputs beside the axes, and what asks each output."""
    kind = JacobianOracle if all_outputs else GradientOracle
    oracle, outputs = kind(victim_of(network)), range(network[-1].out_features)
    probes = [GradientProbe(Transcript(AskedOutput(oracle, output))) for output in outputs]
    lines = Lines(network[0].in_features, None, np.random.default_rng(0))
    return BesideAxes.of(probes.__getitem__, outputs, prefix_of(network, 1), lines), oracle


def test_each_point_is_asked_of_one_other_output_and_of_all_once_a_weight_is_nothing():
    network = with_hidden_unit(30, 12, 10, 6, seed=1, used_by=[1, 2, 3, 4, 5])
    axes, oracle = beside(network)
    lacking, whole = (copy_of(network, np.arange(first, 10)) for first in (1, 0))
    assert not may_hide(lacking)
    off = axes.off(lacking)
    assert oracle.ledger.total == 13
    assert off[0] == 0
    assert off.max() > 1e-3
    assert axes.left_out == pytest.approx(4 / 5)
    assert may_hide(whole)
    assert axes.off(whole).max() < 1e-9
    assert oracle.ledger.total == 5 * 13
    assert axes.left_out == 0
    assert (axes.off(lacking)[1:] > 1e-3).all()
    assert oracle.ledger.total == 5 * 13  # nothing is asked twice


def test_of_all_outputs_at_once_a_point_costs_one_query():
    network = with_hidden_unit(30, 12, 10, 4, seed=2, used_by=[2])
    axes, oracle = beside(network, all_outputs=True)
    off = axes.off(copy_of(network, np.arange(1, 10)))
    assert oracle.ledger.total == 13
    np.testing.assert_array_equal(off > 1e-3, [False, False, True, False])


@pytest.mark.parametrize("seed", range(3))
def test_other_outputs_are_solved_where_they_are_asked_anyway(seed):
    network = random_deep(60, 40, 40, 8, seed=seed)
    asked = []

    class Counted(GradientOracle):
        def query(self, points, output=None):
            asked.append((output, len(points)))
            return super().query(points, output)

    result = reconstruct(Counted(victim_of(network)), seed=seed)
    assert result.complete
    assert result.hidden_sizes == (40, 40)
    alone = sum(count for output, count in asked if output == 3)
    assert alone < 80  # 6 beside the axes, 4 usual, 4 fresh, and a seventh of the judgement
    for scale in (0.3, 1.0, 10.0, 100.0):
        points = scale * torch.from_numpy(np.random.default_rng(1).standard_normal((1000, 60)))
        with torch.no_grad():
            truth = network(points)
            assert (result.module(points) - truth).abs().max() < 1e-9 * truth.abs().max()


def test_told_pieces_come_in_the_order_they_are_wanted():
    network = random_deep(20, 8, 6, 3, seed=0)
    probes = {
        k: GradientProbe(Transcript(AskedOutput(GradientOracle(victim_of(network)), k))) for k in range(3)
    }
    lines = Lines(20, None, np.random.default_rng(0))
    axes = BesideAxes.of(probes.__getitem__, [0, 1, 2], prefix_of(network, 1), lines)
    axes.ask(1, np.array([4, 2]))
    pieces = axes.told(1, np.array([1, 2, 4, 7]))
    _, gradients = victim_of(network).values_and_gradients(axes.points[[1, 2, 4, 7]], 1)
    np.testing.assert_allclose(pieces[:, :-1], gradients, atol=1e-12)
    assert len(probes[1].transcript) == 4
