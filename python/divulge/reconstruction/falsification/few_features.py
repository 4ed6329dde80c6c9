"""Inputs at which few features are on: there units of later layers are on that elsewhere hardly ever are.

A trained unit often has negative weights from nearly all features, and is on only where the few others are.
Points are moved until chosen features are on and all others off, by steps along the rows that are not yet on
their side, as a perceptron is trained: that ends where there is such a point, and comes near where there is
none.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import FEW_FEATURES, TINY


def with_few_features(prefix: Prefix, lines: Lines, count: int) -> Array:
    """Return points (count, d) of the domain with few features on, every other one with any number.

    Args:
        prefix: the known layers, one at least.
        lines: the domain, and what draws.
        count: how many.
    """
    last, inner = prefix.layers[-1], Prefix(prefix.input_size, prefix.layers[:-1])
    points = lines.inside(count)
    side = np.where(chosen(count, len(last), lines.rng), 1.0, -1.0)
    size = np.maximum(np.linalg.norm(last.rows, axis=1), TINY)
    room = FEW_FEATURES.farthest ** lines.rng.uniform(size=(count, 1))
    wanted = (
        FEW_FEATURES.clear * room * np.linalg.norm(points, axis=1, keepdims=True) / np.sqrt(inner.input_size)
    )
    for _ in range(FEW_FEATURES.steps):
        missing = np.clip(wanted - side * last.levels(inner.features(points)) / size, 0.0, wanted)
        missing[:, last.units :] = 0.0
        points = points + FEW_FEATURES.step * inner.gradients(points, (side * missing / size) @ last.rows)
        if lines.domain is not None:
            points = np.clip(points, *lines.domain)
    return lines.unsaturated(points)


def chosen(count: int, features: int, rng: np.random.Generator) -> Mask:
    """Draw which features shall be on at each point, shape (count, features)."""
    most = np.where(np.arange(count) % 2, features, min(FEW_FEATURES.few, features))
    numbers = rng.integers(1, most + 1)
    order = rng.uniform(size=(count, features)).argsort(axis=1).argsort(axis=1)
    return np.asarray(order < numbers[:, None])
