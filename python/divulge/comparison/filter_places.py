"""Whether two layers of images have their places at the same pixels, and how they lie to each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from divulge.comparison.image_layers import ImageLayer, told
from divulge.comparison.image_steps import Weighted

# Slopes of an activation, ends of a clip: relative difference up to which they are the same.
_SAME_NUMBERS = 1e-3


def different(own: ImageLayer, true: ImageLayer) -> str:
    """Say why two layers cannot be compared, or nothing."""
    if own.dense != true.dense:
        return f"the victim's is a {_kind(true)}, the copy's a {_kind(own)}"
    others = own.weighted.maps[1:] != true.weighted.maps[1:]
    strides = own.weighted.stride != true.weighted.stride and not true.dense  # of one place it says nothing
    if strides or (others and not _on_one_grid(own, true)):
        return f"the victim's is a {true.form}, the copy's a {own.form}"
    if own.weighted.inputs[1:] != true.weighted.inputs[1:] and not true.dense:
        return "the two are given maps of different sizes"
    same = [part.name for part in own.behind] == [part.name for part in true.behind]
    ours, truth = ([x for part in layer.behind for x in part.numbers] for layer in (own, true))
    if not same or not np.allclose(ours, truth, rtol=_SAME_NUMBERS, atol=0):
        behind = [", ".join(map(told, layer.behind)) or "nothing" for layer in (true, own)]
        return f"behind the victim's comes {behind[0]}, behind the copy's {behind[1]}"
    return ""


def _on_one_grid(own: ImageLayer, true: ImageLayer) -> bool:
    """Whether maps of different sizes have their places at the same pixels, one of the two more of them."""
    (top, _, left, _), (rows, columns) = own.weighted.padding, true.weighted.stride
    apart = (top - true.weighted.padding[0]) % rows, (left - true.weighted.padding[2]) % columns
    return apart == (0, 0) and not any(part.pools for part in (*own.behind, *true.behind))


def shift(own: Weighted, true: Weighted) -> tuple[int, int]:
    """How many rows and columns the copy's maps begin before the victim's."""
    if own.maps[1:] == true.maps[1:]:
        return 0, 0
    ways = [(own.padding[i] - true.padding[i]) // true.stride[i // 2] for i in (0, 2)]
    return ways[0], ways[1]


def moved(own: Weighted, shift: tuple[int, int]) -> Weighted:
    """The layer as its places lie after so many rows and columns."""
    top, bottom, left, right = own.padding
    down, across = shift[0] * own.stride[0], shift[1] * own.stride[1]
    return replace(own, padding=(top - down, bottom, left - across, right))


def _kind(layer: ImageLayer) -> str:
    return f"dense layer of {layer.units} units" if layer.dense else layer.form


def one_window(own: Weighted, true: Weighted) -> tuple[Weighted, Weighted]:
    """Write the filters of both in the smallest window that holds them, as padding tells where they lie."""
    parts = own, true
    starts = [(w.padding[0], w.padding[2]) for w in parts]
    if own.filters.shape[2:] == true.filters.shape[2:] and starts[0] == starts[1]:
        return parts
    ends = [
        (-w.padding[0], w.filters.shape[2] - w.padding[0], -w.padding[2], w.filters.shape[3] - w.padding[2])
        for w in parts
    ]
    top, left = (min(end[i] for end in ends) for i in (0, 2))
    bottom, right = (max(end[i] for end in ends) for i in (1, 3))
    found = []
    for weighted, end in zip(parts, ends, strict=True):
        around = ((0, 0), (0, 0), (end[0] - top, bottom - end[1]), (end[2] - left, right - end[3]))
        found.append(replace(weighted, filters=np.pad(weighted.filters, around)))
    return found[0], found[1]
