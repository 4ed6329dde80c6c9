"""The known layers' features and derivatives against autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deep_networks import parameters, prefix_of, random_deep

from divulge.reconstruction.network.known_layers import Dense, Prefix

SIZES = (7, 9, 5, 6, 1)


def truth(network, depth, points):
    """Features (n, p) and Jacobians (n, p, d) of the first `depth` hidden layers, by autograd."""
    inner = network[: 2 * depth]
    inputs = torch.from_numpy(points)
    jacobians = [torch.autograd.functional.jacobian(inner, x).numpy() for x in inputs]
    return inner(inputs).detach().numpy(), np.stack(jacobians)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_derivatives_are_autograds(depth, seed):
    network, rng = random_deep(*SIZES, seed=seed), np.random.default_rng(seed)
    points = rng.standard_normal((11, 7))
    prefix = prefix_of(network, depth)
    features, jacobians = truth(network, depth, points)
    rows = rng.standard_normal((11, prefix.width))
    directions = rng.standard_normal((11, 7, 3))
    np.testing.assert_allclose(prefix.features(points), features, atol=1e-13)
    np.testing.assert_array_equal(prefix.masks(points), features > 0)
    np.testing.assert_allclose(prefix.jacobians(points), jacobians, atol=1e-13)
    np.testing.assert_allclose(prefix.along(points, directions), jacobians @ directions, atol=1e-13)
    np.testing.assert_allclose(
        prefix.gradients(points, rows), np.einsum("np,npd->nd", rows, jacobians), atol=1e-13
    )


def test_without_layers_the_features_are_the_inputs():
    prefix, points = Prefix(4), np.random.default_rng(0).standard_normal((3, 4))
    assert prefix.width == 4
    assert prefix.levels(points) == []
    np.testing.assert_array_equal(prefix.features(points), points)
    np.testing.assert_array_equal(prefix.jacobians(points), np.stack([np.eye(4)] * 3))
    np.testing.assert_array_equal(prefix.along(points, points[:, :, None]), points[:, :, None])
    np.testing.assert_array_equal(prefix.gradients(points, 2 * points), 2 * points)
    assert prefix.masks(points).all()


def test_no_points():
    prefix, none = prefix_of(random_deep(*SIZES), 2), np.empty((0, 7))
    assert prefix.features(none).shape == (0, 5)
    assert prefix.jacobians(none).shape == (0, 5, 7)
    assert prefix.gradients(none, np.empty((0, 5))).shape == (0, 7)


def test_a_prefix_grows_by_a_layer():
    network = random_deep(*SIZES)
    grown = prefix_of(network, 1).grown(Dense(*parameters(network)[1]))
    points = np.random.default_rng(1).standard_normal((5, 7))
    np.testing.assert_array_equal(grown.features(points), prefix_of(network, 2).features(points))
    assert grown.width == 5


def test_what_is_handed_on_has_no_relu():
    rng = np.random.default_rng(0)
    plain = Dense(rng.standard_normal((4, 3)), rng.standard_normal(4))
    layer, points = plain.with_passage(), rng.standard_normal((9, 3))
    prefix = Prefix(3, [layer])
    assert (len(layer), layer.units, layer.passage) == (7, 4, 3)
    expected = np.column_stack([np.maximum(plain.levels(points), 0), points])
    np.testing.assert_array_equal(prefix.features(points), expected)
    assert prefix.masks(points)[:, 4:].all()
    np.testing.assert_array_equal(prefix.jacobians(points)[:, 4:], np.broadcast_to(np.eye(3), (9, 3, 3)))
    np.testing.assert_array_equal(
        prefix.along(points, np.broadcast_to(np.eye(3), (9, 3, 3))), prefix.jacobians(points)
    )
    rows = np.column_stack([np.zeros((9, 4)), points])
    np.testing.assert_array_equal(prefix.gradients(points, rows), points)
    some = layer.taken(np.array([True, False, True, True, False, True, False]))
    assert (len(some), some.units, some.passage) == (4, 3, 1)
    behind = Prefix(3, [layer, Dense(rng.standard_normal((2, 7)), np.zeros(2))])
    assert behind.features(points).shape == (9, 2)
