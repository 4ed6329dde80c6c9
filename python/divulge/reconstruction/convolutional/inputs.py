"""Random inputs to walk to: noise of every grain, so that features of a window go up and down together."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.settings import CONV_WALK


def grainy(lines: Lines, shape: tuple[int, int, int], count: int) -> Array:
    """Random points (n, d): images of blocks of one colour, of any size, with some noise.

    Averages over fine noise hardly differ from point to point, and a channel behind them may never switch;
    coarse noise moves all of a window. In a box the colours are uniform, without one standard normal.

    Args:
        lines: their domain and random numbers.
        shape: (C, H, W) of an input.
        count: n.
    """
    noise = np.stack([_blocks(lines.rng, shape) for _ in range(count)]).reshape(count, -1)
    if lines.domain is None:
        return noise
    low, high = lines.domain
    return np.asarray(low + (high - low) * _uniform(noise))


def fine(lines: Lines, shape: tuple[int, int, int], count: int) -> Array:
    """Random points (n, d) of noise alone: standard normal, in a box uniform."""
    noise = lines.rng.standard_normal((count, int(np.prod(shape))))
    if lines.domain is None:
        return noise
    low, high = lines.domain
    return np.asarray(low + (high - low) * _uniform(noise))


def _blocks(rng: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    """An image (C, H, W) of standard normal blocks of a random size."""
    channels, height, width = shape
    side = int(2 ** rng.uniform(0, np.log2(max(height, width))))
    rows, columns = height // side + 2, width // side + 2
    top, left = rng.integers(side, size=2)
    coarse = rng.standard_normal((channels, rows, columns))
    fine = coarse.repeat(side, axis=1).repeat(side, axis=2)
    share = CONV_WALK.fine  # without noise all units in a block would switch at once
    noise = rng.standard_normal(shape)
    return np.asarray(
        np.sqrt(1 - share**2) * fine[:, top : top + height, left : left + width] + share * noise
    )


def _uniform(normal: Array) -> Array:
    """Standard normal numbers as uniform ones in (0, 1)."""
    return np.asarray(ndtr(normal))
