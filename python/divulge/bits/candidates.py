"""The random weights that sender and receiver share: drawn anew from a seed, the same on every machine."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import ndtri

from divulge.arrays import Array

# Normal numbers are told apart by 16 bits of a raw random word, so that one word makes four of them.
_LEVELS = 1 << 16
_A_WORD = 4
# Quantiles are rounded to so many parts of 1: what a machine's ndtri makes of the last place does not count.
_GRID = 4096


@cache
def quantiles() -> Array:
    """Return the quantiles of a standard normal at (i + 1/2) / 65536, rounded to 1 / 4096."""
    return np.asarray(np.round(ndtri((np.arange(_LEVELS) + 0.5) / _LEVELS) * _GRID) / _GRID, np.float64)


def words_of(size: int) -> int:
    """Return how many raw words of 64 bits one candidate of so many weights takes."""
    return -(-size // _A_WORD)


def candidates(seed: int, block: int, size: int, first: int, count: int) -> Array:
    """Return the candidates first, ..., first + count - 1 of a block, float64, shape (count, size).

    Standard normal numbers, from the raw stream of NumPy's Philox, which does not change between versions:
    key (seed, block), candidate k from the words of k on. Any candidate is had without those before it.
    """
    words = words_of(size)
    raw = np.random.Philox(key=np.array([seed, block], np.uint64))
    # advance counts draws of four words; the stream is read from the draw that holds the first word
    draw, skipped = divmod(first * words, 4)
    raw.advance(draw)
    stream = raw.random_raw(skipped + count * words)[skipped:]
    levels = stream.astype("<u8").view("<u2").reshape(count, words * _A_WORD)
    return np.asarray(quantiles()[levels[:, :size]])
