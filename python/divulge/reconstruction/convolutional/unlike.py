"""Images that are chosen among many so that a copy's features are as different at them as can be.

A channel that hardly any image turns on is missing from a copy; images at which known features are alike
hardly tell more of it than one of them.
"""

from __future__ import annotations

import numpy as np
import torch

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.settings import CONV_JUDGE, TINY


def most_unlike(prefix: Prefix, points: Array, count: int) -> Array:
    """Choose some of points (n, d), the first one and those at which features differ most: shape (count, d).

    Those that count are the ones that the last known layer sees. Each point chosen is the one whose largest
    cosine with any chosen before is least.
    """
    depth = max(len(prefix.layers) - 1, 0)
    with torch.no_grad():
        parts = np.split(points, range(CONV_JUDGE.at_once, len(points), CONV_JUDGE.at_once))
        features = [prefix.features(prefix.images(part), depth).flatten(1).numpy() for part in parts]
    return points[_apart(np.concatenate(features), count)]


def _apart(rows: Array, count: int) -> Index:
    """Numbers of rows (n, q), at most so many, each as far as can be from those before it."""
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY)
    chosen, nearest = [0], rows @ rows[0]
    while len(chosen) < min(count, len(rows)):
        nearest[chosen[-1]] = np.inf
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, rows @ rows[chosen[-1]])
    return np.array(chosen, np.intp)
