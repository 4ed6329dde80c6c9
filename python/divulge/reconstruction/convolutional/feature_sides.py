"""Active sides of the last known layer and its pooling, from plain answers: what is behind may be anything.

Every gradient is a combination of the gradients of features that are on. With a channel turned the wrong way,
the wrong pooling, or a channel missing, none fits. Nothing is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.convolutional.equations import least_squares
from divulge.reconstruction.convolutional.layers import ConvLayer, Pool, Prefix
from divulge.reconstruction.convolutional.linearised import convolved, moving
from divulge.reconstruction.convolutional.sides import Frame, SideSearch
from divulge.reconstruction.convolutional.walk import Answer, Kink
from divulge.reconstruction.settings import CONV_DENSE, CONV_POOLING, TINY


def sides_by_answers(
    prefix: Prefix, answers: Sequence[Answer], rng: np.random.Generator, tolerance: float
) -> ConvLayer | None:
    """Return the last known layer, turned and pooled so that its features explain gradients."""
    found = turned_at_once(prefix, answers, tolerance)
    if found is not None:
        return found
    kinks = [Kink(each.point, each.gradient, 0.0, np.stack([each.point] * 2)) for each in answers]
    for pool in poolings(prefix):
        maps = prefix.unit_shape(len(prefix.layers) - 1)[1:]
        out = maps if pool is None else (pool.out(maps[0]), pool.out(maps[1]))
        channels = len(prefix.layers[-1])
        if channels > CONV_DENSE.channels or channels * out[0] * out[1] > CONV_DENSE.most * prefix.size:
            continue
        sides = SideSearch(prefix, Frame(pool, out, whole=True), kinks).run(rng, tolerance)
        if sides is not None:
            return sides.layer
    return None


def poolings(prefix: Prefix) -> list[Pool | None]:
    """What may be behind the last known layer, the widest first: narrow ones explain the same."""
    layer, (_, height, width) = prefix.layers[-1], prefix.unit_shape(len(prefix.layers) - 1)
    if layer.pool is not None:
        return [layer.pool]
    found: list[Pool | None] = [Pool("avg", *window) for window in CONV_POOLING.average_windows]
    found += [Pool("max", *window) for window in CONV_POOLING.last_windows]
    return [pool for pool in found if pool is not None and pool.size <= min(height, width)] + [None]


def turned_at_once(prefix: Prefix, answers: Sequence[Answer], tolerance: float) -> ConvLayer | None:
    """Turn a layer of fewer units than the input has numbers, unpooled: those of a wrong side weigh 0."""
    layer, units = prefix.layers[-1], prefix.sizes()[-1]
    if layer.pool is not None or units + CONV_DENSE.least > prefix.size:
        return None
    rng = np.random.default_rng(prefix.size)
    count = min(prefix.size, int(CONV_DENSE.equations * units) + CONV_DENSE.margin)
    energy, explained = np.zeros((2, len(layer))), 0
    for answer in answers:
        pixels = np.sort(rng.permutation(prefix.size)[:count])
        z = convolved(layer, moving(prefix, answer.point, len(prefix.layers) - 1, pixels))
        parts = weights_of(z.rows().T, answer.gradient[pixels], tolerance)
        if parts is not None:
            explained += 1
            up = z.values() > 0
            both = np.stack([np.where(up, parts, 0.0), np.where(up, 0.0, parts)])
            energy += (both.reshape(2, len(layer), -1) ** 2).sum(axis=2)
    if explained < len(answers):
        return None
    larger, smaller = np.sqrt(energy.max(axis=0)), np.sqrt(energy.min(axis=0))
    if larger.min() <= CONV_DENSE.faint * larger.max() or (smaller > CONV_DENSE.faint * larger).any():
        return None
    return replace(layer, signs=np.where(energy[0] >= energy[1], 1.0, -1.0), slope=0.0)


def weights_of(columns: Array, gradient: Array, tolerance: float) -> Array | None:
    """Weights (q,) of columns (m, q) of norm 1 that make a gradient (m,); None where none do."""
    sizes = np.maximum(np.linalg.norm(columns, axis=0), TINY)
    columns = columns / sizes
    found, _ = least_squares(columns, gradient[:, None])
    left = np.abs(columns @ found[:, 0] - gradient).max()
    return found[:, 0] if left <= tolerance * max(float(np.abs(gradient).max()), TINY) else None
