"""One layer of convolutions."""

from __future__ import annotations

import numpy as np
import torch

from divulge.reconstruction.convolutional.layers import ConvLayer


def test_sides_are_open_again_after_a_channel_that_was_not_known_when_they_were_told():
    rng = np.random.default_rng(0)
    layer = ConvLayer(rng.standard_normal((2, 1, 3, 3)), np.ones(2), signs=np.array([1.0, -1.0]), slope=0.1)
    layer.add(rng.standard_normal((1, 3, 3)), 0.5)
    z = layer.before(torch.from_numpy(rng.standard_normal((1, 1, 5, 5))))
    assert layer.turned(z).shape == (1, 3, 3, 3)
    assert layer.signs is None
    assert layer.slope == 0.0
