"""Points beside hyperplanes: where they are."""

from __future__ import annotations

import numpy as np
import pytest

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.falsification.beside import beside_groups, beside_on_lines
from divulge.reconstruction.falsification.few_features import with_few_features
from divulge.reconstruction.falsification.samples import far_out, on_faces
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix

DISTANCES = (1e-5, 1e-2, 3.0)


def lines(inputs: int, box: tuple[float, float] | None = None) -> Lines:
    domain = None if box is None else (np.full(inputs, box[0]), np.full(inputs, box[1]))
    return Lines(inputs, domain, np.random.default_rng(3))


def first_layer(units: int, inputs: int) -> Dense:
    rng = np.random.default_rng(units)
    return Dense(rng.standard_normal((units, inputs)), rng.standard_normal(units))


@pytest.mark.parametrize(("units", "inputs"), [(4, 8), (8, 8), (13, 5), (3, 1)])
def test_every_unit_is_met_on_both_sides_at_every_distance(units, inputs):
    layer = first_layer(units, inputs)
    points = beside_groups(layer, lines(inputs), DISTANCES)
    levels = layer.levels(points) / np.linalg.norm(layer.rows, axis=1)
    for distance in DISTANCES:
        near = np.abs(np.abs(levels) - distance) < 1e-6 * distance
        assert ((near & (levels > 0)).any(axis=0) & (near & (levels < 0)).any(axis=0)).all()


def test_few_points_are_asked_where_all_units_fit_into_one_group():
    assert len(beside_groups(first_layer(128, 784), lines(784), DISTANCES)) == 2 * len(DISTANCES)


def test_rows_of_nothing_are_left_out():
    layer = Dense(np.zeros((2, 4)), np.ones(2))
    assert beside_groups(layer, lines(4), DISTANCES).shape == (0, 4)


def test_a_box_is_kept():
    points = beside_groups(first_layer(6, 6), lines(6, (0.0, 1.0)), DISTANCES)
    assert len(points)
    assert ((points >= 0) & (points <= 1)).all()


@pytest.mark.parametrize("box", [None, (-1.0, 1.0)])
def test_points_on_lines_lie_beside_every_kink(box):
    rng = np.random.default_rng(0)
    layer = Layer(rng.standard_normal((4, 7)), rng.standard_normal((1, 4)), np.zeros((1, 7)))
    model = DeepModel(Prefix(9, [first_layer(6, 9)]), layer)
    points = beside_on_lines(model, lines(9, box), 200)
    levels = [*model.whole().levels(points)]
    assert len(points) >= 200
    met = [(np.abs(level).min(axis=0) < 0.1 * np.abs(level).mean(axis=0)) for level in levels]
    assert all(each.all() for each in met)
    if box is not None:
        assert (np.abs(points) <= 1).all()


def test_far_out_has_both_ends_and_a_box_its_faces():
    points = far_out(lines(5), 3, single=False)
    np.testing.assert_array_equal(points[:3], -points[3:])
    assert np.linalg.norm(points, axis=1).min() > 1e5
    assert np.linalg.norm(far_out(lines(5), 3, single=True), axis=1).max() < 1e5
    faces = on_faces(lines(5, (0.0, 2.0)), 10)
    at_edge = (faces == 0) | (faces == 2)
    assert at_edge[::2].all()
    assert 0 < at_edge[1::2].mean() < 1


@pytest.mark.parametrize("box", [None, (-3.0, 3.0)])
@pytest.mark.parametrize("layers", [[(8, 10)], [(8, 10), (6, 8)]])
def test_few_features_are_on_where_that_is_wanted(box, layers):
    prefix = Prefix(10, [first_layer(units, inputs) for units, inputs in layers])
    points = with_few_features(prefix, lines(10, box), 400)
    on = (prefix.features(points) > 0).sum(axis=1)
    usual = (prefix.features(lines(10, box).inside(400)) > 0).sum(axis=1)
    assert np.median(on[::2]) <= 1 + len(layers) < np.median(usual) + 1
    assert (on[::2] <= 2).mean() > 2 * (usual <= 2).mean()
    assert len(np.unique(on[1::2])) > len(layers[-1:]) + 3
    if box is not None:
        assert np.abs(points).max() <= 3
