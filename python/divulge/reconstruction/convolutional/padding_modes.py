"""Windows over the image's edges that hold pixels of it in place of zeros: reflect, circular, replicate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.walk import Kink
from divulge.reconstruction.settings import CONV_FIRST, TINY

OTHER_PADDING = (
    "layer 1 has {} padding, and such layers are not taken apart: its windows over the edges are left out"
)
_NUMPY = {"reflect": "reflect", "circular": "wrap", "replicate": "edge"}


def padding_mode(layer: ConvLayer, kinks: Sequence[Kink], shape: tuple[int, int, int], alike: float) -> str:
    """Return by what a layer pads its image, if some kinks show filters over its edges so; else "".

    Args:
        layer: the first one.
        kinks: all that were met.
        shape: (C, H, W) of an input.
        alike: relative difference of what is the same.
    """
    jumps = np.stack([kink.jump / np.linalg.norm(kink.jump) for kink in kinks])
    for mode in _NUMPY:
        sides = [_windows(length, size, mode) for length, size in zip(shape[1:], layer.kernel, strict=True)]
        seen = np.zeros(len(jumps), bool)
        for rows, over_top in sides[0]:
            for columns, over_left in sides[1]:
                if over_top or over_left:
                    seen |= _shown(layer, rows, columns, jumps, alike)
        if seen.sum() >= CONV_FIRST.padded:
            return mode
    return ""


def _windows(length: int, size: int, mode: str) -> list[tuple[Array, bool]]:
    """Which pixels each window of a side holds, shape (size, length), and whether it is over an edge."""
    most = size - 1 if mode != "reflect" else min(size, length) - 1
    places = np.pad(np.arange(length), most, mode=_NUMPY[mode])  # type: ignore[call-overload]
    held = np.eye(length)[places]
    starts = range(len(places) - size + 1)
    return [(held[i : i + size], not most <= i <= most + length - size) for i in starts]


def _shown(layer: ConvLayer, rows: Array, columns: Array, jumps: Array, alike: float) -> Mask:
    """Which of jumps (m, d), of norm 1, are a filter's whose window holds these pixels."""
    folded = np.einsum("nckl,kh,lw->nchw", layer.filters, rows, columns, optimize=True)
    folded = folded.reshape(len(layer), -1)
    sizes = np.maximum(np.linalg.norm(folded, axis=1, keepdims=True), TINY)
    gaps = np.sqrt(np.maximum(2 - 2 * np.abs(jumps @ (folded / sizes).T), 0.0))
    return np.asarray(np.any(gaps <= alike, axis=1))
