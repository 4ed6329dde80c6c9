"""Offsets of hyperplanes met on their normals."""

from types import SimpleNamespace

import numpy as np

from divulge.reconstruction.one_layer.value_offsets import sharpened_offsets


def test_hyperplanes_outside_the_domain_keep_their_offsets():
    rng = np.random.default_rng()
    planes = np.column_stack([np.eye(3), rng.uniform(2, 9, 3)])  # x_j = -b, and the box is [0, 1]^3
    values = SimpleNamespace(
        domain=(np.zeros(3), np.ones(3)),
        representable=lambda points: points,
        ask=lambda points: np.zeros(len(points)),
    )
    offsets = sharpened_offsets(values, planes, np.ones(3), rng.uniform(size=(20, 3)))
    np.testing.assert_array_equal(offsets, planes[:, -1])
