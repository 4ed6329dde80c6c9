"""Windows over the image's edges that hold pixels of it in place of zeros: reflect, circular, replicate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.walk import Kink
from divulge.reconstruction.settings import CONV_FIRST, TINY

OTHER_PADDING = (
    "layer 1 has {} padding, and such layers are not taken apart: its windows over the edges are left out"
)
# which pixels the window holds along one side, and whether it is over an edge; of rows, then of columns
Side = tuple[Array, bool]
Window = tuple[Side, Side]
_NUMPY = {"reflect": "reflect", "circular": "wrap", "replicate": "edge"}


def padding_mode(layer: ConvLayer, kinks: Sequence[Kink], shape: tuple[int, int, int], alike: float) -> str:
    """Return by what a layer pads its image, if some kinks show filters over its edges so; else "".

    Kinks that zeros around the image, or windows inside, would show as well are no evidence.

    Args:
        layer: the first one.
        kinks: all that were met.
        shape: (C, H, W) of an input.
        alike: relative difference of what is the same.
    """
    jumps = np.stack([kink.jump / np.linalg.norm(kink.jump) for kink in kinks])
    seen = {mode: _over_edges(layer, jumps, shape, mode, alike) for mode in _NUMPY}
    some = np.flatnonzero(np.any(list(seen.values()), axis=0))
    zeros = np.zeros(len(jumps), bool)
    if len(some):  # a filter whose border is 0, or is another's turned round, shows the same without
        zeros[some] = _in_windows(layer, jumps[some], _windows_of(layer, shape, "zeros"), alike)
    counts = {mode: int((found & ~zeros).sum()) for mode, found in seen.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] >= CONV_FIRST.padded else ""


def _over_edges(layer: ConvLayer, jumps: Array, shape: tuple[int, int, int], mode: str, alike: float) -> Mask:
    """Which of jumps (m, d), of norm 1, are a filter's whose window is over an edge."""
    windows = [each for each in _windows_of(layer, shape, mode) if each[0][1] or each[1][1]]
    return _in_windows(layer, jumps, windows, alike)


def _in_windows(layer: ConvLayer, jumps: Array, windows: Sequence[Window], alike: float) -> Mask:
    """Which of jumps (m, d), of norm 1, are a filter's in some windows."""
    found = np.zeros(len(jumps), bool)
    for (rows, _), (columns, _) in windows:
        found |= _shown(layer, rows, columns, jumps, alike)
    return found


def _windows_of(layer: ConvLayer, shape: tuple[int, int, int], mode: str) -> list[Window]:
    """All windows of an image, by their rows and columns."""
    sides = [_windows(length, size, mode) for length, size in zip(shape[1:], layer.kernel, strict=True)]
    return list(product(sides[0], sides[1]))


def _windows(length: int, size: int, mode: str) -> list[Side]:
    """Which pixels each window of a side holds, shape (size, length), and whether it is over an edge."""
    most = size - 1 if mode != "reflect" else min(size, length) - 1
    if mode == "zeros":
        held = np.pad(np.eye(length), ((most, most), (0, 0)))
    else:
        held = np.eye(length)[np.pad(np.arange(length), most, mode=_NUMPY[mode])]  # type: ignore[call-overload]
    starts = range(len(held) - size + 1)
    return [(held[i : i + size], not most <= i <= most + length - size) for i in starts]


def _shown(layer: ConvLayer, rows: Array, columns: Array, jumps: Array, alike: float) -> Mask:
    """Which of jumps (m, d), of norm 1, are a filter's whose window holds these pixels."""
    folded = np.einsum("nckl,kh,lw->nchw", layer.filters, rows, columns, optimize=True)
    folded = folded.reshape(len(layer), -1)
    sizes = np.maximum(np.linalg.norm(folded, axis=1, keepdims=True), TINY)
    gaps = np.sqrt(np.maximum(2 - 2 * np.abs(jumps @ (folded / sizes).T), 0.0))
    return np.asarray(np.any(gaps <= alike, axis=1))
