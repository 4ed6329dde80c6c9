"""The copy as a module: it answers what its layers do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conv_networks import kinds

from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.network import ConvNetwork


def layer(rng, *shape, **options):
    return ConvLayer(
        rng.standard_normal(shape), rng.standard_normal(shape[0]), signs=np.ones(shape[0]), **options
    )


@pytest.mark.parametrize(
    ("padding", "units", "kind"), [((1, 1), 9, "Conv2d"), ((0, 1), 3, "Conv2d"), ((0, 0), 1, "Linear")]
)
def test_a_filter_as_large_as_the_map_is_dense_only_without_padding(padding, units, kind):
    rng = np.random.default_rng(0)
    prefix = Prefix((1, 5, 5), [layer(rng, 2, 1, 3, 3), layer(rng, 4, 2, 3, 3, padding=padding)])
    network = ConvNetwork(prefix, rng.standard_normal((2, 4 * units + 1)))
    points = rng.standard_normal((6, 25))
    module = network.module(torch.float64)
    told = module(torch.from_numpy(points)).detach().numpy()
    for output in range(2):
        assert np.allclose(told[:, output], network.answers(points, output)[0], rtol=1e-12, atol=1e-12)
    assert kinds(module)[2] == kind
