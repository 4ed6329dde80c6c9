"""Counter-based random numbers in NumPy, the twin of the core's `kernels/normal.h`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array

__all__ = ["bits", "mix64", "normal", "substream"]

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def mix64(x: int) -> int:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014), a bijection of 64 bits."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def substream(key: int, index: int) -> int:
    """Return the key of sub-stream `index` of the stream `key`."""
    return mix64(mix64((key + (index + 1) * _GOLDEN) & _MASK))


def bits(key: int, n: int) -> NDArray[np.uint64]:
    """Return the first n random numbers of the stream `key`, 64 bits each."""
    x = np.uint64(key) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return out


def normal(key: int, n: int) -> Array:
    """Return the first n standard normal numbers of the stream `key`, by Box and Muller's transform."""
    x = bits(key, 2 * ((n + 1) // 2))
    uniform = ((x >> np.uint64(11)) + np.uint64(1)).astype(np.float64) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[0::2])), 2 * np.pi * uniform[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()[:n]
