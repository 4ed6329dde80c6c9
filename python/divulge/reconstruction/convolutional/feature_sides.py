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
from divulge.reconstruction.convolutional.pulled_back import PulledBack
from divulge.reconstruction.convolutional.sides import Frame, SideSearch
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
    layer = turned_at_once(prefix, answers, tolerance)
    if layer is not None:
        return widest(prefix, layer, pools[:-1], kinks, tolerance)
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


def turned_at_once(prefix: Prefix, answers: Sequence[Answer], tolerance: float) -> ConvLayer | None:
    """Turn a layer of fewer units than the input has numbers, unpooled: those of a wrong side weigh 0."""
    layer, units = prefix.layers[-1], prefix.sizes()[-1]
    if layer.pool is not None or units + CONV_DENSE.least > prefix.size:
        return None
    rng = np.random.default_rng(prefix.size)
    count = min(prefix.size, int(CONV_DENSE.equations * units) + CONV_DENSE.margin)
    energy, told = np.zeros((2, len(layer))), 0
    for answer in answers:
        pixels = np.sort(rng.permutation(prefix.size)[:count])
        z = convolved(layer, moving(prefix, answer.point, len(prefix.layers) - 1, pixels))
        parts = weights_of(z.rows().T, answer.gradient[pixels], tolerance)
        if parts is not None:
            told += 1
            up = z.values() > 0
            both = np.stack([np.where(up, parts, 0.0), np.where(up, 0.0, parts)])
            energy += (both.reshape(2, len(layer), -1) ** 2).sum(axis=2)
    if told < len(answers):
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
