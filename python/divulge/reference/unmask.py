"""Keeping the coordinates of each input that an attribution ranks highest or lowest, input by input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from divulge.reference.random import bits, substream

__all__ = ["unmask"]


def unmask(
    inputs: NDArray[Any],
    attribution: NDArray[Any],
    fill: NDArray[Any],
    count: int,
    top: bool = True,
    channels: int = 1,
    seed: int = 0,
) -> NDArray[Any]:
    """Return a copy of inputs (n, d) with all but `count` coordinates of each filled.

    Args:
        inputs: (n, d), d = channels s.
        attribution: (n, d); a coordinate's key is the sum of its absolute values over the channels.
        fill: (d,).
        count: coordinates kept, 0 to s, in every channel.
        top: keep those of largest keys, else those of smallest.
        channels: that share their ranks.
        seed: equal keys are ranked by the core's random number j of stream i.
    """
    out = np.empty_like(inputs)
    size = inputs.shape[1] // channels
    for i, (x, a) in enumerate(zip(inputs, attribution, strict=True)):
        keys = np.abs(a.reshape(channels, size)).sum(axis=0)
        order = np.lexsort((bits(substream(seed, i), size), -keys))
        kept = order[:count] if top else order[size - count :]
        out[i] = fill
        out[i].reshape(channels, size)[:, kept] = x.reshape(channels, size)[:, kept]
    return out
