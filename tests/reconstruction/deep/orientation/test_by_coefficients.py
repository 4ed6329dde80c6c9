"""Gradients tell on which side a unit of an inner layer is active."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from deep_networks import prefix_of, probe_of, random_deep, units_of

from divulge.reconstruction.deep.orientation.by_coefficients import coefficients, independent_points, votes


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_a_known_layer_is_oriented(depth, seed):
    network, rng = random_deep(14, 10, 6, 5, 1, seed=seed), np.random.default_rng(seed)
    prefix, true = prefix_of(network, depth), units_of(network, depth)
    sign = rng.choice([-1.0, 1.0], len(true))
    units = replace(true, rows=true.rows * sign[:, None], offsets=true.offsets * sign)
    points = independent_points(prefix, units, rng.standard_normal((500, 14)), 8)
    if not depth:
        points = rng.standard_normal((8, 14))
    assert len(points)
    gamma, residual = coefficients(prefix, units, points, probe_of(network).pieces(points)[:, :-1])
    assert residual.max() < 1e-9
    turned, proven = votes(prefix, units, points, gamma, zero=1e-6 * np.abs(gamma).max())
    assert proven.any()
    np.testing.assert_array_equal(turned[proven], sign[proven] < 0)


def test_coefficients_are_the_outputs_derivatives():
    network, rng = random_deep(14, 10, 6, 5, 1), np.random.default_rng(1)
    prefix, units = prefix_of(network, 1), units_of(network, 1)
    points = independent_points(prefix, units, rng.standard_normal((200, 14)), 4)
    gamma, _ = coefficients(prefix, units, points, probe_of(network).pieces(points)[:, :-1])
    after = prefix_of(network, 3)
    size = np.linalg.norm(after.layers[1].rows, axis=1)
    levels = after.levels(points)
    top = network[-1].weight.detach().numpy()[0]
    true = (levels[1] > 0) * (((levels[2] > 0) * top) @ after.layers[2].rows) * size
    np.testing.assert_allclose(gamma, true, atol=1e-9)


def test_more_units_than_features_cannot_be_told_apart():
    network, rng = random_deep(14, 6, 9, 1), np.random.default_rng(2)
    points = independent_points(prefix_of(network, 1), units_of(network, 1), rng.standard_normal((50, 14)), 4)
    assert points.shape == (0, 14)


def test_one_side_without_proof_is_only_a_guess():
    network = random_deep(14, 10, 6, 1)
    prefix, units = prefix_of(network, 0), units_of(network, 0)
    points = np.random.default_rng(3).standard_normal((5, 14))
    turned, proven = votes(prefix, units, points, np.zeros((5, 10)), zero=1e-6)
    above = (points @ units.rows.T + units.offsets > 0).sum(axis=0)
    assert not proven.any()
    np.testing.assert_array_equal(turned, above > 5 - above)
