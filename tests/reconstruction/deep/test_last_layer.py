"""Output weights over known units, from pieces, with and without a sketch of the gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from deep_networks import parameters, prefix_of, random_deep, units_of, victim_of

from divulge.reconstruction.deep import last_layer
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import LAST_LAYER, LAYERS


def pieces_of(network, points, output):
    """Gradient and offset at every point."""
    values, gradients = victim_of(network).values_and_gradients(points, output)
    return np.column_stack([gradients, values - np.einsum("nd,nd->n", gradients, points)])


def known_layer(network, depth, sign=None):
    """A last hidden layer whose outputs are still open, and the sizes its rows were divided by."""
    units = units_of(network, depth)
    sign = np.ones(len(units)) if sign is None else sign
    turned = replace(units, rows=units.rows * sign[:, None], offsets=units.offsets * sign)
    return last_layer.as_layer(turned), np.linalg.norm(parameters(network)[depth][0], axis=1)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "sketched"])
@pytest.mark.parametrize("with_slope", [False, True])
def test_outputs_are_recovered(whole, with_slope):
    network, rng = random_deep(30, 20, 10, 3), np.random.default_rng(0)
    prefix, (layer, sizes) = prefix_of(network, 1), known_layer(network, 1)
    points = rng.standard_normal((300, 30))
    points = points[last_layer.telling_points(prefix, layer, points, 20)]
    design = last_layer.Design.of(points, 30 * len(points) if whole else len(layer) + prefix.width + 1)
    assert (design.sketch is None) == whole
    matrix = design.equations(prefix, layer, with_slope)
    for output in range(3):
        solution, error, _ = last_layer.solve(matrix, design.answers(pieces_of(network, points, output)))
        assert error < 1e-12
        layer = last_layer.with_output(layer, solution, with_slope)
    weights, biases = parameters(network)[-1]
    np.testing.assert_allclose(layer.weights, weights * sizes, atol=1e-10)
    np.testing.assert_allclose(layer.base[:, -1], biases, atol=1e-10)
    assert np.abs(layer.base[:, :-1]).max() < 1e-10


def test_a_turned_unit_leaves_a_slope():
    network, rng = random_deep(30, 20, 10, 1), np.random.default_rng(1)
    sign = rng.choice([-1.0, 1.0], 10)
    prefix, (layer, sizes) = prefix_of(network, 1), known_layer(network, 1, sign)
    points = rng.standard_normal((300, 30))
    points = points[last_layer.telling_points(prefix, layer, points, 20)]
    design = last_layer.Design.of(points, 31)
    right = design.answers(pieces_of(network, points, 0))
    solution, error, _ = last_layer.solve(design.equations(prefix, layer, with_slope=True), right)
    assert error < 1e-12
    solved = last_layer.with_output(layer, solution, with_slope=True)
    weights, bias = parameters(network)[-1]
    np.testing.assert_allclose(solved.weights, weights * sizes, atol=1e-10)
    np.testing.assert_allclose(solved.flip(sign < 0).base[0, :-1], 0, atol=1e-10)
    np.testing.assert_allclose(solved.flip(sign < 0).base[0, -1], bias[0], atol=1e-10)
    assert last_layer.solve(design.equations(prefix, layer, with_slope=False), right)[1] > 1e-3


def test_a_missing_unit_leaves_a_residual():
    network, rng = random_deep(30, 20, 10, 1), np.random.default_rng(2)
    layer = last_layer.as_layer(units_of(network, 1).take(np.arange(9)))
    points = rng.standard_normal((40, 30))
    design = last_layer.Design.of(points, 31)
    matrix = design.equations(prefix_of(network, 1), layer, with_slope=True)
    assert last_layer.solve(matrix, design.answers(pieces_of(network, points, 0)))[1] > 1e-3


def test_telling_points_show_every_state():
    network, rng = random_deep(12, 8, 6, 1), np.random.default_rng(3)
    prefix, (layer, _) = prefix_of(network, 1), known_layer(network, 1)
    points = rng.standard_normal((400, 12))
    chosen = points[last_layer.telling_points(prefix, layer, points, 5)]
    features = prefix.features(points)
    on = features @ layer.rows[:, :-1].T + layer.rows[:, -1] > 0
    has = np.concatenate([on, ~on, features > 0], axis=1).sum(axis=0)
    features = prefix.features(chosen)
    on = features @ layer.rows[:, :-1].T + layer.rows[:, -1] > 0
    shown = np.concatenate([on, ~on, features > 0], axis=1).sum(axis=0)
    assert 5 <= len(chosen) < 60
    assert (shown >= np.minimum(has, LAST_LAYER.seen)).all()


def test_points_on_hyperplanes_are_left_out():
    network = random_deep(12, 8, 6, 1)
    prefix, (layer, _) = prefix_of(network, 1), known_layer(network, 1)
    rows, offsets = parameters(network)[0]
    point = np.random.default_rng(4).standard_normal(12)
    edge = point - rows[2] * (rows[2] @ point + offsets[2]) / (rows[2] @ rows[2])
    clear = last_layer.clear_of_hyperplanes(prefix, layer, np.stack([point, edge, edge + 1e-9 * rows[2]]))
    np.testing.assert_array_equal(clear, [True, False, False])


def test_points_on_the_wrong_side_are_left_out_where_answers_are_blunt():
    network, rng = random_deep(30, 20, 10, 1), np.random.default_rng(2)
    prefix, (layer, sizes) = prefix_of(network, 1), known_layer(network, 1, np.ones(10))
    points = rng.standard_normal((200, 30))
    design = last_layer.Design.of(points, 31)
    pieces = pieces_of(network, points, 0)
    pieces[::20] += rng.standard_normal((10, 31))
    solution, error = design.solve(prefix, layer, pieces, with_slope=True, blunt=True)
    weights, _ = parameters(network)[-1]
    np.testing.assert_allclose(solution[:10], (weights * sizes)[0], atol=1e-10)
    assert error < 1e-12
    assert design.solve(prefix, layer, pieces, with_slope=True, blunt=False)[1] > 1e-2


def test_points_determine_every_weight_only_where_every_unit_is_on_at_enough():
    network = random_deep(6, 5, 4, 1, seed=3)
    prefix, (layer, _) = prefix_of(network, 1), known_layer(network, 1)
    points = np.random.default_rng(0).standard_normal((200, 6))
    design = last_layer.Design.of(points, 4 + 5 + 1)
    assert design.determines(prefix, layer)
    assert not last_layer.Design.of(points[:1], 4 + 5 + 1).determines(prefix, layer)
    rows = layer.rows.copy()
    rows[0] = 0.0
    rows[0, -1] = -1.0  # never on
    assert not design.determines(prefix, replace(layer, rows=rows))
    rows[0] = rows[1]
    assert not design.determines(prefix, replace(layer, rows=rows))


@pytest.mark.parametrize("seed", range(3))
def test_large_values_far_out_do_not_hide_what_gradients_miss(seed):
    network, rng = random_deep(30, 20, 10, 1, seed=seed), np.random.default_rng(seed)
    prefix, (layer, _) = prefix_of(network, 1), known_layer(network, 1)
    points = rng.standard_normal((200, 30))
    points[::2] *= 1e4
    points = points[last_layer.clear_of_hyperplanes(prefix, layer, points)]
    design = last_layer.Design(points, None)
    pieces = pieces_of(network, points, 0)
    assert design.solve(prefix, layer, pieces, False, False)[1] < 1e-12
    pieces[:, :-1] *= 1 + 1e-5 * rng.standard_normal((len(points), 30))
    pieces[:, -1] -= np.einsum("nd,nd->n", pieces[:, :-1] - pieces_of(network, points, 0)[:, :-1], points)
    assert design.solve(prefix, layer, pieces, False, False)[1] > 1e-7


@pytest.mark.parametrize("seed", range(3))
def test_no_more_than_a_few_answers_are_left_out(seed):
    """Answers off by all sizes are those of a copy that lacks units: what three rounds leave is explained."""
    rng, layer = np.random.default_rng(seed), Layer(np.ones((1, 6)), np.zeros((0, 1)), np.zeros((0, 6)))
    points, pieces = rng.standard_normal((400, 5)), np.repeat(rng.standard_normal((1, 6)), 400, axis=0)
    pieces += np.geomspace(1e-10, 3.0, 400)[:, None] * rng.standard_normal((400, 6))
    _, error = last_layer.Design.of(points, 7).solve(Prefix(5), layer, pieces, with_slope=True, blunt=True)
    assert error > LAYERS.single_error


@pytest.mark.parametrize("seed", range(3))
def test_answers_that_alone_show_a_unit_on_are_not_left_out(seed):
    """Rounding is larger far out, where alone a unit may be on: without these answers its weight is open."""
    network, rng = random_deep(12, 8, 6, 1, seed=seed), np.random.default_rng(seed)
    prefix, layer = prefix_of(network, 1), last_layer.as_layer(units_of(network, 1))
    points = rng.standard_normal((200, 12))
    levels = prefix.features(points) @ layer.rows[0, :-1]
    layer.rows[0, -1] = -np.sort(levels)[-6]  # on at five points
    on = levels + layer.rows[0, -1] > 0
    weights = rng.uniform(1.0, 2.0, (1, 6))
    whole = last_layer.with_output(layer, np.append(weights[0], 0.0), with_slope=False)
    pieces = DeepModel(prefix, whole).pieces(points, 0)
    pieces[:, :-1] *= 1 + np.where(on, 1e-4, 1e-6)[:, None] * rng.standard_normal((200, 12))
    solution, _ = last_layer.Design.of(points, 7).solve(prefix, layer, pieces, with_slope=False, blunt=True)
    assert np.abs(solution[:-1] - weights[0]).max() < 1e-2
