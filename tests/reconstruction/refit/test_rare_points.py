"""Points that show what values say little about."""

from __future__ import annotations

import numpy as np

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.last_layer import clear_of_hyperplanes
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.refit.gauss_newton import Told
from divulge.reconstruction.refit.rare_points import rare_points
from divulge.reconstruction.settings import GAUSS_NEWTON


def model_with_rare_unit(threshold: float) -> DeepModel:
    """The last unit is on where the sum of the features is above a threshold."""
    rng = np.random.default_rng(0)
    prefix = Prefix(4, [Dense(rng.normal(size=(5, 4)), rng.normal(size=5))])
    rows = np.concatenate([rng.normal(size=(2, 6)), [[1.0, 1.0, 1.0, 1.0, 1.0, -threshold]]])
    base = np.zeros((1, 6))
    return DeepModel(prefix, Layer(rows, rng.normal(size=(1, 3)), base))


def told_at(model: DeepModel, points: np.ndarray) -> Told:
    pieces = model.pieces(points, 0)
    values = np.einsum("nd,nd->n", pieces[:, :-1], points) + pieces[:, -1]
    return Told(0, points, values, np.full(len(points), 1e-15), 2e-16)


def on(model: DeepModel, points: np.ndarray) -> np.ndarray:
    return model.whole().levels(points)[-1][:, -1] > 0


def test_a_rare_unit_is_asked_about_where_it_is_on():
    model, lines = model_with_rare_unit(20.0), Lines(4, None, np.random.default_rng(1))
    points = lines.samples(2000)
    points = points[~on(model, points)]
    seeds = np.concatenate([points, 8.0 * lines.samples(200)])
    found = rare_points(model, told_at(model, points), seeds, lines)
    assert len(found) > 50
    assert on(model, found).all()
    assert clear_of_hyperplanes(model.prefix, model.layer, found, GAUSS_NEWTON.clearance).all()


def test_nothing_is_asked_where_all_is_known():
    model, lines = model_with_rare_unit(0.1), Lines(4, None, np.random.default_rng(1))
    points = lines.samples(2000)
    assert rare_points(model, told_at(model, points), points, lines).shape == (0, 4)


def test_nothing_without_a_seed():
    model, lines = model_with_rare_unit(1e6), Lines(4, None, np.random.default_rng(1))
    points = lines.samples(500)
    assert not len(rare_points(model, told_at(model, points), points, lines))
