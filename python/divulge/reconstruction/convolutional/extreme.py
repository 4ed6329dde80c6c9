"""Inputs at which few features are far up or down: there a unit behind them is on that hardly ever is."""

from __future__ import annotations

import numpy as np
import torch

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.settings import CONV_JUDGE, TINY


def up_features(prefix: Prefix, lines: Lines, count: int) -> Array:
    """Return points (count, d) far up random combinations of a few features before the last layer.

    In a box its corners, otherwise points of many sizes.
    """
    inner = Prefix(prefix.shape, prefix.layers[:-1])
    points = lines.inside(count)
    features = int(np.prod(inner.unit_shape(len(inner.layers) - 1)))
    order = lines.rng.uniform(size=(count, features)).argsort(axis=1).argsort(axis=1)
    few = lines.rng.integers(1, CONV_JUDGE.few + 1, (count, 1))
    wanted = np.where(order < few, lines.rng.choice([-1.0, 1.0], (count, features)), 0.0)
    sizes = 10 ** lines.rng.uniform(*CONV_JUDGE.powers, (count, 1))
    sizes = sizes * np.linalg.norm(points, axis=1, keepdims=True)
    for _ in range(CONV_JUDGE.climbs):
        slopes = _slopes(inner, points, wanted)
        if lines.domain is not None:
            low, high = lines.domain
            points = np.where(slopes > 0, high, np.where(slopes < 0, low, points))
        else:
            points = sizes * slopes / np.maximum(np.linalg.norm(slopes, axis=1, keepdims=True), TINY)
    return np.asarray(points)


def _slopes(prefix: Prefix, points: Array, wanted: Array) -> Array:
    """Gradients (n, d) at points (n, d) of combinations (n, units) of the last layer's z."""
    x = prefix.images(points).requires_grad_()
    with torch.enable_grad():
        z = prefix.layers[-1].turned(prefix.before(x)[-1]).flatten(1)
        (slopes,) = torch.autograd.grad((z * torch.from_numpy(wanted)).sum(), x)
    return np.asarray(slopes.flatten(1).numpy())
