"""Where windows lie: stride, padding and pooling, read off the places where channels were seen."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import NamedTuple

from divulge.reconstruction.convolutional.layers import ConvLayer, Pool, Prefix
from divulge.reconstruction.convolutional.patches import Box
from divulge.reconstruction.settings import CONV_POOLING


class Place(NamedTuple):
    """A channel, and the row and column where its window begins; before 0 where it is clipped."""

    channel: int
    row: int
    column: int


class Spread(NamedTuple):
    """What units along one side of a map see of the input: stride * i + start, `size` long."""

    stride: int
    start: int
    size: int


def starts(first: int, end: int, kernel: int, length: int) -> list[int]:
    """Where a window may begin of which first to end is seen, along one side."""
    if end - first == kernel:
        return [first]
    at_start = [end - kernel] if first == 0 else []
    return at_start + ([first] if end == length else [])


def clipped(places: Sequence[Place], kernel: tuple[int, int], maps: tuple[int, int]) -> tuple[int, int]:
    """Return the padding of rows and columns without which windows that were seen do not fit into maps."""
    rows, columns = (
        max((max(-place[side], place[side] + size - length) for place in places), default=0)
        for side, size, length in zip((1, 2), kernel, maps, strict=True)
    )
    return max(rows, 0), max(columns, 0)


def grid_of(places: Sequence[Place], padding: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return stride and padding of rows and columns for places that were seen.

    Args:
        places: at least one.
        padding: what windows that are clipped show of it.
    """
    found = [
        _side([place[side] for place in places], known) for side, known in zip((1, 2), padding, strict=True)
    ]
    return (found[0][0], found[1][0]), (found[0][1], found[1][1])


def _side(seen: list[int], padding: int) -> tuple[int, int]:
    """Stride and padding along one side."""
    stride = gcd(*(place - seen[0] for place in seen)) or 1
    padding = max(padding, -min(seen), 0)
    return stride, padding + (-seen[0] - padding) % stride


def grid_of_pairs(pairs: Sequence[tuple[Place, Place]], layer: ConvLayer) -> Pool | None:
    """Return the max pooling of which one window holds both places of every pair, or None."""
    for size, stride in CONV_POOLING.max_windows:
        pool = Pool("max", size, stride)
        if all(_one_window(pair, layer, pool) for pair in pairs):
            return pool
    return None


def _one_window(pair: tuple[Place, Place], layer: ConvLayer, pool: Pool) -> bool:
    """Whether some window of the pooling holds both places."""
    for side in (0, 1):
        units = [(place[side + 1] + layer.padding[side]) // layer.stride[side] for place in pair]
        last = min(units) // pool.stride  # the last window that begins at or before the first unit
        if max(units) >= last * pool.stride + pool.size:
            return False
    return True


def spreads(prefix: Prefix, depth: int) -> tuple[Spread, Spread]:
    """Return what units of z of the layer before `depth` see of the input, along rows and along columns."""
    found = []
    for side in (0, 1):
        stride, start, size = 1, 0, 1
        for layer in prefix.layers[:depth]:
            start -= layer.padding[side] * stride
            size += (layer.kernel[side] - 1) * stride
            stride *= layer.stride[side]
            if layer.pool is not None and layer is not prefix.layers[depth - 1]:
                size += (layer.pool.size - 1) * stride
                stride *= layer.pool.stride
        found.append(Spread(stride, start, size))
    return found[0], found[1]


def unit_box(prefix: Prefix, depth: int, box: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the first and last unit, of rows and of columns, that see just a box; fractions if none do."""
    rows, columns = spreads(prefix, depth)
    ends = ((box.top, box.bottom, rows), (box.left, box.right, columns))
    (a, b), (c, d) = (
        ((first - side.start) / side.stride, (end - side.start - side.size) / side.stride)
        for first, end, side in ends
    )
    return (a, b), (c, d)
