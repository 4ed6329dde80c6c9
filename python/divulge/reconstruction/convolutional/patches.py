"""The patch of an image that a jump covers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.reconstruction.convolutional.walk import Kink
from divulge.reconstruction.settings import CONV_FIRST


class Box(NamedTuple):
    """Rows top to bottom and columns left to right of an image, the ends left out."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    @property
    def corner(self) -> tuple[int, int]:
        """The first row and column."""
        return self.top, self.left

    def touches(self, height: int, width: int) -> bool:
        """Whether it lies at an edge of the image."""
        return self.top == 0 or self.left == 0 or self.bottom == height or self.right == width


def box_of(kink: Kink, shape: tuple[int, int, int]) -> Box:
    """Return the box of the entries of a jump that are more than rounding."""
    sizes = np.abs(kink.jump).reshape(shape).max(axis=0)
    floor = max(CONV_FIRST.faint * sizes.max(), CONV_FIRST.roundings * kink.floor)
    seen = sizes > min(floor, sizes.max() / 2)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def patch_of(image: Array, box: Box, shape: tuple[int, int, int]) -> Array:
    """Return the part (C, rows, columns) of an image (d,) in a box."""
    return image.reshape(shape)[:, box.top : box.bottom, box.left : box.right]


def gap(one: Array, other: Array) -> float:
    """Return how far two arrays are from being the same up to a factor: 0 if they are, at most 2^(1/2)."""
    a, b = one.ravel() / np.linalg.norm(one), other.ravel() / np.linalg.norm(other)
    return float(min(np.linalg.norm(a - b), np.linalg.norm(a + b)))


def single(patch: Array, tolerance: float) -> tuple[Array, tuple[int, int]]:
    """Return the filter that a patch (C, rows, columns) shows, and by how much it is moved if it is a pair.

    Where max pooling changes over, a patch is a filter less the same filter moved by (r, c): added up in
    steps of (r, c) it is the filter, and 0 where the moved one ends. One that is no pair is moved by (0, 0).
    """
    rows, columns = patch.shape[1:]
    most = CONV_FIRST.widest_pool
    for r in range(min(most, rows)):
        for c in range(-min(most, columns) + 1, min(most, columns)):
            if (r, c) > (0, 0):
                total, inside = _added_up(patch, r, c)
                if np.abs(total[:, ~inside]).max() <= tolerance * np.abs(patch).max():
                    return total[:, inside].reshape(len(patch), rows - r, columns - abs(c)), (r, c)
    return patch, (0, 0)


def _added_up(patch: Array, r: int, c: int) -> tuple[Array, NDArray[np.bool_]]:
    """Add up a patch in steps of (r, c); return it, and where a filter lies in it that is moved by that."""
    total = patch.copy()
    rows, columns = patch.shape[1:]
    for i in range(rows):
        for j in range(columns) if c >= 0 else reversed(range(columns)):
            if i >= r and 0 <= j - c < columns:
                total[:, i, j] += total[:, i - r, j - c]
    inside = np.zeros((rows, columns), bool)
    inside[: rows - r, max(0, -c) : columns - max(0, c)] = True
    return total, inside
