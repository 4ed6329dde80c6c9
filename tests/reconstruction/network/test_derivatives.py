"""Derivatives of a network by its parameters, as products."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.derivatives import Tangents, parameters, with_parameters
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix

POINTS = np.random.default_rng(1).normal(size=(9, 4))


def random_model(hidden: tuple[int, ...], outputs: int, slope: bool) -> DeepModel:
    rng = np.random.default_rng(0)
    sizes = (4, *hidden)
    inner = [Dense(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in pairwise(sizes[:-1])]
    base = rng.normal(size=(outputs, sizes[-2] + 1))
    base[:, :-1] *= slope
    rows = rng.normal(size=(sizes[-1], sizes[-2] + 1))
    return DeepModel(Prefix(4, inner), Layer(rows, rng.normal(size=(outputs, sizes[-1])), base))


def values(model: DeepModel, output: int) -> np.ndarray:
    pieces = model.pieces(POINTS, output)
    return np.einsum("nd,nd->n", pieces[:, :-1], POINTS) + pieces[:, -1]


def random_step(model: DeepModel, slope: bool) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [rng.normal(size=matrix.shape) for matrix in parameters(model, slope)]


@pytest.fixture(params=[((5,), 1, True), ((5, 3), 2, True), ((5, 3), 2, False), ((6, 5, 3), 1, True)])
def case(request):
    hidden, outputs, slope = request.param
    return random_model(hidden, outputs, slope), outputs, slope


def test_parameters_come_back(case):
    model, outputs, slope = case
    again = with_parameters(model, parameters(model, slope))
    for output in range(outputs):
        np.testing.assert_array_equal(values(again, output), values(model, output))


def test_forward_is_a_difference(case):
    model, outputs, slope = case
    step = random_step(model, slope)
    ends = [a + 1e-7 * b for a, b in zip(parameters(model, slope), step, strict=True)]
    moved = with_parameters(model, ends)
    for output in range(outputs):
        forward = Tangents.at(model, POINTS, output, slope).forward(step)
        difference = (values(moved, output) - values(model, output)) / 1e-7
        np.testing.assert_allclose(forward, difference, atol=1e-4)


def test_backward_is_the_transpose(case):
    model, outputs, slope = case
    step = random_step(model, slope)
    upwards = np.random.default_rng(3).normal(size=len(POINTS))
    for output in range(outputs):
        tangents = Tangents.at(model, POINTS, output, slope)
        backward = tangents.backward(upwards)
        inner = sum(float((a * b).sum()) for a, b in zip(backward, step, strict=True))
        np.testing.assert_allclose(inner, upwards @ tangents.forward(step))


def test_squares_are_blocks_of_the_gauss_newton_matrix(case):
    model, outputs, slope = case
    weights = np.random.default_rng(3).uniform(size=len(POINTS))
    for output in range(outputs):
        tangents = Tangents.at(model, POINTS, output, slope)
        rows = [tangents.backward(weight) for weight in np.diag(weights)]
        for place, blocks in enumerate(tangents.squares(weights)):
            jacobian = np.stack([row[place] for row in rows])
            np.testing.assert_allclose(blocks, np.einsum("num,nuk->umk", jacobian, jacobian), atol=1e-12)


def test_joint_square_is_the_gauss_newton_matrix(case):
    model, outputs, slope = case
    weights = np.random.default_rng(3).uniform(size=len(POINTS))
    for output in range(outputs):
        tangents = Tangents.at(model, POINTS, output, slope)
        rows = [tangents.backward(weight) for weight in np.diag(weights)]
        for first in range(len(rows[0])):
            jacobian = np.stack([np.concatenate([m.reshape(-1) for m in row[first:]]) for row in rows])
            joint = tangents.joint_square(weights, first)
            np.testing.assert_allclose(joint, jacobian.T @ jacobian, atol=1e-12)
