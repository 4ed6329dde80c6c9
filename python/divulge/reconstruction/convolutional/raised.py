"""Inputs moved to where many of the last layer's units are on that are wanted."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.settings import CONV_LAST, TINY


def levels(prefix: Prefix, x: Tensor) -> Tensor:
    """What must be above 0 for a feature to be on, shape (n, q), for inputs (n, C, H, W)."""
    layer = prefix.layers[-1]
    before = prefix.features(x, len(prefix.layers) - 1)
    return layer.pooled(layer.turned(layer.before(before))).flatten(1)


def on_at(prefix: Prefix, points: Array) -> NDArray[np.bool_]:
    """Which features are on at points (n, d), shape (n, q)."""
    with torch.no_grad():
        maps = prefix.features(prefix.images(points), len(prefix.layers))
    return np.asarray((maps != 0).flatten(1).numpy())


def raised(prefix: Prefix, lines: Lines, points: Array, wanted: NDArray[np.bool_]) -> Array:
    """Move points so that more of the wanted features are on, by steps that get shorter; return the best.

    Args:
        prefix: the layers, all sides known.
        lines: where inputs may lie.
        points: to start from, shape (n, d).
        wanted: which features are, shape (q,).

    Returns:
        Of all points passed the one at which an answer may tell most of their weights, shape (d,).
    """
    which = torch.from_numpy(np.flatnonzero(wanted))
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    above = torch.from_numpy(CONV_LAST.above * lengths / np.sqrt(prefix.size))
    best, most, way = points[0], -1, np.zeros_like(points)
    for share in (0.0, *np.geomspace(*CONV_LAST.raised, CONV_LAST.raises)):
        points = points + share * lengths * way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), TINY)
        if lines.domain is not None:
            points = np.clip(points, *lines.domain)
        gains = _told_at(prefix, points, wanted)
        if gains.max() > most:
            best, most = points[gains.argmax()], int(gains.max())
        slopes = _uphill(prefix, points, which, above)
        way = CONV_LAST.momentum * way + slopes / np.maximum(
            np.linalg.norm(slopes, axis=1, keepdims=True), TINY
        )
    return np.asarray(best)


def _told_at(prefix: Prefix, points: Array, wanted: NDArray[np.bool_]) -> Index:
    """How many weights of wanted features answers at points (n, d) may tell, shape (n,).

    Not more than features are on that the last layer is given, where these are no pixels: all gradients are
    combinations of theirs. Nor more than an answer has numbers: where all units are on, one says what another
    did.
    """
    with torch.no_grad():
        before = prefix.features(prefix.images(points), len(prefix.layers) - 1)
        on = prefix.layers[-1].after(prefix.layers[-1].before(before)).flatten(1)[:, torch.from_numpy(wanted)]
    maps = [on] if len(prefix.layers) == 1 else [on, before]
    counts = [(part != 0).flatten(1).sum(dim=1).numpy() for part in maps]
    return np.asarray(np.minimum(np.min(counts, axis=0), prefix.size + 1), np.intp)


def _uphill(prefix: Prefix, points: Array, which: Tensor, above: Tensor) -> Array:
    """Gradients (n, d) at points (n, d) of the sum of some levels, each up to a bound, shape (n, 1)."""
    x = prefix.images(points).requires_grad_()
    with torch.enable_grad():
        total = torch.minimum(levels(prefix, x)[:, which], above).sum()
        (slopes,) = torch.autograd.grad(total, x)
    return np.asarray(slopes.reshape(len(points), -1).numpy())
