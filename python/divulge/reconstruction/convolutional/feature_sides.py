"""Active sides of the last known layer and its pooling, from plain answers: what is behind may be anything.

Every gradient is a combination of the gradients of features that are on. With a channel turned the wrong way,
the wrong pooling, or a channel missing, none fits. Nothing is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.equations import least_squares
from divulge.reconstruction.convolutional.layers import ConvLayer, Pool, Prefix
from divulge.reconstruction.convolutional.pulled_back import PulledBack
from divulge.reconstruction.convolutional.sides import Frame, SideSearch, both_sides
from divulge.reconstruction.convolutional.walk import Answer, Kink
from divulge.reconstruction.settings import CONV_DENSE, CONV_POOLING, TINY


def sides_by_answers(
    prefix: Prefix, answers: Sequence[Answer], rng: np.random.Generator, tolerance: float
) -> ConvLayer | None:
    """Return the last known layer, turned and pooled so that its features explain gradients."""
    sloped = [each for each in answers if each.gradient.any()]
    if not sloped:
        return None
    some = sloped[:: max(1, len(sloped) // CONV_DENSE.views)]
    kinks = [Kink(each.point, each.gradient, 0.0, np.stack([each.point] * 2)) for each in some]
    pools = poolings(prefix)
    layer = turned_at_once(prefix, None, answers, tolerance) if pools[-1] is None else None
    if layer is not None:
        return widest(prefix, layer, pools[:-1], kinks, tolerance)
    for pool in pools:
        layer = None if pool is None else turned_at_once(prefix, pool, answers, tolerance)
        if layer is not None:
            return layer
    for place in [len(pools) - 1, *range(len(pools) - 1)]:  # unpooled, what is pooled is explained too
        search = search_of(prefix, pools[place], kinks)
        sides = None if search is None else search.run(rng, tolerance)
        if sides is not None and explained(prefix, sides.layer, answers, tolerance):
            assert sides.layer.signs is not None
            return widest(prefix, sides.layer, pools[:place], kinks, tolerance)
    return None


def widest(
    prefix: Prefix, layer: ConvLayer, pools: Sequence[Pool | None], kinks: Sequence[Kink], tolerance: float
) -> ConvLayer:
    """Return a layer with the first of some poolings that explains as much, or as it is."""
    for pool in pools:
        search = search_of(prefix, pool, kinks)
        if search is not None:
            search.slope = layer.slope
            assert layer.signs is not None
            if search.proven(layer.signs, tolerance):
                return replace(layer, pool=pool)
    return layer


def search_of(prefix: Prefix, pool: Pool | None, kinks: Sequence[Kink]) -> SideSearch | None:
    """The search for sides of a layer pooled so, None where it has too many units."""
    maps, channels = prefix.unit_shape(len(prefix.layers) - 1)[1:], len(prefix.layers[-1])
    out = maps if pool is None else (pool.out(maps[0]), pool.out(maps[1]))
    if channels > CONV_DENSE.channels or channels * out[0] * out[1] > CONV_DENSE.most * prefix.size:
        return None
    return SideSearch(prefix, Frame(pool, out, whole=True), kinks)


def explained(prefix: Prefix, layer: ConvLayer, answers: Sequence[Answer], tolerance: float) -> bool:
    """Whether most answers are explained by a layer's features in one way."""
    known = Prefix(prefix.shape, [*prefix.layers[:-1], layer])
    back = PulledBack(known, len(known.layers), tolerance)
    return sum(back.piece(each) is not None for each in answers) >= CONV_DENSE.share * len(answers)


def poolings(prefix: Prefix) -> list[Pool | None]:
    """What may be behind the last known layer, the widest first: narrow ones explain the same."""
    layer, (_, height, width) = prefix.layers[-1], prefix.unit_shape(len(prefix.layers) - 1)
    if layer.pool is not None:
        return [layer.pool]
    found: list[Pool | None] = [Pool("avg", *window) for window in CONV_POOLING.average_windows]
    found += [Pool("max", *window) for window in CONV_POOLING.last_windows]
    return [pool for pool in found if pool is not None and pool.size <= min(height, width)] + [None]


def turned_at_once(
    prefix: Prefix, pool: Pool | None, answers: Sequence[Answer], tolerance: float
) -> ConvLayer | None:
    """Turn a layer that is pooled so, all features on either side at once: those of a wrong side weigh 0.

    There must be fewer of these than the input has numbers.
    """
    layer = replace(prefix.layers[-1], pool=pool, signs=None)
    if not sees_enough(prefix, layer):
        return None
    energy, pixels = np.zeros((2, len(layer))), some_pixels(prefix, layer)
    for answer in answers:
        both = both_sides(prefix, layer, answer.point, pixels)
        parts = weights_of(both.rows().T, answer.gradient[pixels], tolerance)
        if parts is None:
            return None
        energy += (parts.reshape(2, len(layer), -1) ** 2).sum(axis=2)
    larger, smaller = np.sqrt(energy.max(axis=0)), np.sqrt(energy.min(axis=0))
    if larger.min() <= CONV_DENSE.faint * larger.max() or (smaller > CONV_DENSE.faint * larger).any():
        return None
    return replace(layer, signs=np.where(energy[0] >= energy[1], 1.0, -1.0), slope=0.0)


def columns_of(prefix: Prefix, layer: ConvLayer) -> int:
    """How many features a layer, the last one, has at a point on both sides: units unpooled are on one."""
    height, width = layer.out(*prefix.map_shape(len(prefix.layers) - 1)[1:])
    if layer.pool is not None:
        height, width = layer.pool.out(height), layer.pool.out(width)
    return len(layer) * height * width * (1 if layer.pool is None else 2)


def sees_enough(prefix: Prefix, layer: ConvLayer) -> bool:
    """Whether an answer has more numbers than the last layer has features on both sides."""
    return columns_of(prefix, layer) + CONV_DENSE.least <= prefix.size


def some_pixels(prefix: Prefix, layer: ConvLayer) -> Index:
    """Numbers of an input that tell the weights of a layer's features: somewhat more than there are."""
    count = min(prefix.size, int(CONV_DENSE.equations * columns_of(prefix, layer)) + CONV_DENSE.margin)
    return np.sort(np.random.default_rng(prefix.size).permutation(prefix.size)[:count])


def weights_of(columns: Array, gradient: Array, tolerance: float) -> Array | None:
    """Weights (q,) of columns (m, q) of norm 1 that make a gradient (m,); None where none do."""
    sizes = np.maximum(np.linalg.norm(columns, axis=0), TINY)
    columns = columns / sizes
    found, _ = least_squares(columns, gradient[:, None])
    left = np.abs(columns @ found[:, 0] - gradient).max()
    return found[:, 0] if left <= tolerance * max(float(np.abs(gradient).max()), TINY) else None
