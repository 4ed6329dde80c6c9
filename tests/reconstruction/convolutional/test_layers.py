"""One layer of convolutions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix, gradients_of


def test_sides_are_open_again_after_a_channel_that_was_not_known_when_they_were_told():
    rng = np.random.default_rng(0)
    layer = ConvLayer(rng.standard_normal((2, 1, 3, 3)), np.ones(2), signs=np.array([1.0, -1.0]), slope=0.1)
    layer.add(rng.standard_normal((1, 3, 3)), 0.5)
    z = layer.before(torch.from_numpy(rng.standard_normal((1, 1, 5, 5))))
    assert layer.turned(z).shape == (1, 3, 3, 3)
    assert layer.signs is None
    assert layer.slope == 0.0


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding"),
    [
        ((1, 9, 8), (3, 3), (1, 1), (0, 0)),
        ((2, 9, 8), (2, 4), (2, 1), (1, 3)),
        ((3, 7, 7), (3, 2), (1, 2), (2, 0)),
    ],
)
def test_gradients_of_the_first_layer_are_its_filters(shape, kernel, stride, padding):
    rng = np.random.default_rng(0)
    layer = ConvLayer(rng.standard_normal((3, shape[0], *kernel)), rng.standard_normal(3), stride, padding)
    prefix = Prefix(shape, [layer])
    point, units = rng.standard_normal(prefix.size), rng.permutation(prefix.sizes()[0])
    slow = gradients_of(prefix, lambda x: prefix.before(x)[0].flatten(1), point, units)
    assert np.array_equal(prefix.gradients(point, units), slow)
