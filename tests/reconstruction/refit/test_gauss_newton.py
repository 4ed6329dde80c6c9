"""The last fit of a whole network to values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from divulge import CallableOracle
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.values import Values
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.derivatives import parameters, with_parameters
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.refit import gauss_newton as polishing
from divulge.reconstruction.refit.gauss_newton import Told, polish, whitening


def random_model(outputs: int, seed: int = 0) -> DeepModel:
    rng = np.random.default_rng(seed)
    prefix = Prefix(4, [Dense(rng.normal(size=(5, 4)), rng.normal(size=5))])
    return DeepModel(
        prefix, Layer(rng.normal(size=(3, 6)), rng.normal(size=(outputs, 3)), rng.normal(size=(outputs, 6)))
    )


def without_slope(model: DeepModel) -> DeepModel:
    model.layer.base[:, :-1] = 0
    return model


def values_at(model: DeepModel, points: np.ndarray, output: int) -> np.ndarray:
    pieces = model.pieces(points, output)
    return np.einsum("nd,nd->n", pieces[:, :-1], points) + pieces[:, -1]


def told_by(model: DeepModel, points: np.ndarray) -> list[Told]:
    rounding, relative = np.full(len(points), 1e-15), 2e-16
    outputs = range(len(model.layer.weights))
    return [Told(k, points, values_at(model, points, k), rounding, relative) for k in outputs]


def largest_error(a: DeepModel, b: DeepModel, outputs: int = 2) -> float:
    points = np.random.default_rng(99).normal(size=(1000, 4))
    return max(np.abs(values_at(a, points, k) - values_at(b, points, k)).max() for k in range(outputs))


def blunted(model: DeepModel, size: float, seed: int = 3) -> DeepModel:
    rng = np.random.default_rng(seed)
    moved = [matrix + size * rng.standard_normal(matrix.shape) for matrix in parameters(model, slope=False)]
    return with_parameters(model, moved)


def test_small_errors_go():
    true = without_slope(random_model(2))
    blunt = blunted(true, 1e-8)
    points = np.random.default_rng(1).normal(size=(600, 4))
    told = [part.telling(blunt, 400, np.random.default_rng(0)) for part in told_by(true, points)]
    assert largest_error(blunt, true) > 1e-9
    assert largest_error(polish(blunt, told, slope=False), true) < 1e-13


@pytest.mark.parametrize("most", [0, 30, 10_000])
def test_small_errors_go_however_many_parameters_are_whitened_together(monkeypatch, most):
    monkeypatch.setattr(polishing, "GAUSS_NEWTON", replace(polishing.GAUSS_NEWTON, most_joint=most))
    test_small_errors_go()


def test_values_that_no_small_step_explains_are_left_out():
    true = without_slope(random_model(2))
    points = np.random.default_rng(1).normal(size=(600, 4))
    told = told_by(true, points)
    off = told[0].values + np.where(np.arange(600) % 20, 0.0, 0.1)
    told[0] = replace(told[0], values=off)
    assert largest_error(polish(blunted(true, 1e-8), told, slope=False), true) < 1e-12


def test_the_telling_half_holds_where_the_copy_is_wrong():
    true = without_slope(random_model(1))
    points = np.random.default_rng(1).normal(size=(600, 4))
    (told,) = told_by(true, points)
    values = told.values.copy()
    values[17] += 1e-7
    points_chosen = replace(told, values=values).telling(true, 10, np.random.default_rng(0)).points
    assert len(points_chosen) == 10
    assert (points_chosen == points[17]).all(axis=1).any()


def test_what_was_asked_is_kept_as_it_was():
    oracle = CallableOracle(lambda points, _: (points.sum(axis=1), None), 4, gradients=False)
    asked = Values(AskedOutput(oracle, 0))
    asked.ask(np.ones((2, 4)))
    asked.keep_from_now_on()
    points = np.arange(8.0).reshape(2, 4)
    found = asked.ask(points)
    points[:], found[:] = 0.0, 0.0
    told = Told.by(asked, 0)
    np.testing.assert_array_equal(told.points, np.arange(8.0).reshape(2, 4))
    np.testing.assert_array_equal(told.values, [6.0, 22.0])


def test_nothing_told_changes_nothing():
    model = random_model(1)
    nothing = [part.take(np.arange(0)) for part in told_by(model, np.zeros((1, 4)))]
    assert polish(model, nothing, slope=True) is model


def test_a_unit_that_no_value_shows_stays():
    true = without_slope(random_model(1))
    points = np.random.default_rng(1).normal(size=(600, 4))
    off = points[true.prefix.levels(points)[0][:, 2] < -1e-3]
    blunt = blunted(true, 1e-8)
    polished = polish(blunt, told_by(true, off), slope=False)
    before, after = (model.prefix.layers[0].rows[2] for model in (blunt, polished))
    np.testing.assert_array_equal(before, after)
    pieces = [model.pieces(off, 0) for model in (true, polished)]
    np.testing.assert_allclose(*pieces, atol=1e-12)


def test_whitening():
    matrices = np.random.default_rng(0).normal(size=(3, 7, 5))
    squares = matrices.transpose(0, 2, 1) @ matrices
    factors = whitening(squares, 0.5)
    white = factors.transpose(0, 2, 1) @ (squares + 4 * np.eye(5)) @ factors
    np.testing.assert_allclose(white, np.broadcast_to(np.eye(5), (3, 5, 5)), atol=1e-9)
