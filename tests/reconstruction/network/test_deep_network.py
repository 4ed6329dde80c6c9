"""The model as the attack evaluates it and as the module it hands back: one function."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deep_networks import parameters, prefix_of, random_deep, sizes_of, victim_of

from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer


def model_of(network, slope=None):
    """The network's own weights as a model, with or without a linear part beside the last layer."""
    *_, (rows, offsets), (weights, biases) = parameters(network)
    base = np.zeros((len(weights), rows.shape[1] + 1))
    base[:, -1] = biases
    if slope is not None:
        base[:, :-1] = slope
    depth = len(parameters(network)) - 2
    return DeepModel(prefix_of(network, depth), Layer(np.column_stack([rows, offsets]), weights, base))


@pytest.mark.parametrize("sizes", [(6, 5, 4, 3), (6, 9, 8, 7, 2), (5, 4, 2)])
def test_pieces_are_the_networks(sizes):
    network = random_deep(*sizes)
    model, victim = model_of(network), victim_of(network)
    points = np.random.default_rng(0).standard_normal((50, sizes[0]))
    assert model.hidden_sizes == list(sizes[1:-1])
    assert model.whole().width == sizes[-2]
    for output in range(sizes[-1]):
        values, gradients = victim.values_and_gradients(points, output)
        offsets = values - np.einsum("nd,nd->n", gradients, points)
        wanted = np.column_stack([gradients, offsets])
        np.testing.assert_allclose(model.pieces(points, output), wanted, atol=1e-12)
        assert model.residual(points, wanted, output) < 1e-12
        wanted[7] *= 1.001
        assert model.residual(points, wanted, output) > 1e-7


def test_the_module_is_the_network():
    network = random_deep(6, 9, 8, 7, 2)
    module = model_of(network).module(torch.float64, with_slope=False)
    x = torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(x), network(x))
    assert sizes_of(module) == [9, 8, 7, 2]


def test_the_module_keeps_a_slope():
    network, rng = random_deep(6, 9, 8, 2), np.random.default_rng(1)
    slope = rng.standard_normal((2, 9))
    model = model_of(network, slope)
    points = rng.standard_normal((40, 6))
    x = torch.from_numpy(points).requires_grad_()
    out = model.module(torch.float64, with_slope=True)(x)
    features = torch.relu(network[0](x))
    torch.testing.assert_close(out, network(x) + features @ torch.from_numpy(slope).T)
    for output in range(2):
        gradient = torch.autograd.grad(out[:, output].sum(), x, retain_graph=True)[0].numpy()
        np.testing.assert_allclose(model.pieces(points, output)[:, :-1], gradient, atol=1e-12)


def test_no_points_no_residual():
    assert model_of(random_deep(5, 4, 3, 1)).residual(np.empty((0, 5)), np.empty((0, 6)), 0) == 0.0


def test_units_that_nothing_uses_are_pruned():
    network, rng = random_deep(6, 9, 8, 7, 2), np.random.default_rng(2)
    with torch.no_grad():
        network[2].weight[:, 3] = 1e-12
        network[4].weight[:, :2] = 0
        network[6].weight[:, 5] = 0
    model, points = model_of(network), rng.standard_normal((40, 6))
    pruned = model.pruned(1e-9)
    assert pruned.hidden_sizes == [8, 6, 6]
    for output in range(2):
        np.testing.assert_allclose(pruned.pieces(points, output), model.pieces(points, output), atol=1e-10)
    assert model_of(random_deep(6, 9, 8, 7, 2)).pruned(1e-9).hidden_sizes == [9, 8, 7]


def test_a_feature_that_only_the_slope_uses_stays():
    network = random_deep(6, 9, 8, 2)
    with torch.no_grad():
        network[2].weight[:, 3:5] = 0
    slope = np.zeros((2, 9))
    slope[0, 3] = 1.0
    assert model_of(network, slope).pruned(1e-9).hidden_sizes == [8, 8]
