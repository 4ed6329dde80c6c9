"""The size of the first layer's filters, from patches that jumps show at two places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from divulge.arrays import Array
from divulge.reconstruction.convolutional.patches import Box, gap, patch_of, single
from divulge.reconstruction.convolutional.walk import Kink


def repeated_size(
    kinks: Sequence[tuple[Kink, Box]], shape: tuple[int, int, int], tolerance: float, edges: bool
) -> tuple[int, int] | None:
    """Return the size of a filter that two jumps show at two places, or None.

    At the edges patches are clipped: only where no filter is found away from them for long, being nearly as
    large as the image, the size counts that comes back most often.

    Args:
        kinks: and what each covers.
        shape: of the image.
        tolerance: up to which two patches are one.
        edges: whether both of them may lie there.
    """
    height, width = shape[1:]
    counts: Counter[tuple[int, int]] = Counter()
    for (kink, box), (other, other_box) in combinations(kinks, 2):
        inner = not (box.touches(height, width) and other_box.touches(height, width))
        if box.size != other_box.size or box == other_box or box.size == (height, width):
            continue
        one, two = patch_of(kink.jump, box, shape), patch_of(other.jump, other_box, shape)
        if (edges or inner) and gap(one, two) <= tolerance:
            found, _ = single(one, tolerance)
            counts[found.shape[1], found.shape[2]] += 1
    return max(counts, key=lambda size: (counts[size], size), default=None)


def unclipped_size(
    parts: Array, kinks: Sequence[tuple[Kink, Box]], shape: tuple[int, int, int], tolerance: float
) -> tuple[int, int] | None:
    """Return the size of filters of which others, seen at edges alone, are parts, or None.

    Args:
        parts: shape (n, C, kh, kw).
        kinks: that those do not explain, and what each covers.
        shape: of the image.
        tolerance: up to which two patches are one.
    """
    inner = [(kink, box) for kink, box in kinks if not box.touches(*shape[1:])]
    of_part = [pair for pair in inner if holds_any(patch_of(pair[0].jump, pair[1], shape), parts, tolerance)]
    return repeated_size(of_part, shape, tolerance, edges=False)


def holds_any(patch: Array, parts: Array, tolerance: float) -> bool:
    """Whether a patch (C, rows, columns) holds one of smaller ones (n, C, kh, kw), up to a factor."""
    if any(size < least for size, least in zip(patch.shape[1:], parts.shape[2:], strict=True)):
        return False
    windows = np.moveaxis(sliding_window_view(patch, parts.shape[2:], axis=(1, 2)), 0, 2)
    windows = windows.reshape(-1, *parts.shape[1:])
    return any(gap(window, part) <= tolerance for window in windows if window.any() for part in parts)
