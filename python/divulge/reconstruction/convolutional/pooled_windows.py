"""Max pooling behind the layer that is looked for: its kinks show a filter less itself, a place further.

Such a window is larger than a filter. Along each chain of entries in steps of the move it adds up to 0, which
is seen where all entries of a chain are known; behind a filter alone no chain does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.convolutional.linearised import Moving, moving
from divulge.reconstruction.convolutional.sides import Frame, Sides, origin_of
from divulge.reconstruction.convolutional.walk import Kink
from divulge.reconstruction.convolutional.window import Fragment, Origin, Shown, Together, fragment, shown
from divulge.reconstruction.settings import CONV_FIRST, CONV_ROWS, CONV_SIDES, Tolerances


def single_window(prefix: Prefix, sides: Sides, kinks: Sequence[Kink], tolerances: Tolerances) -> Frame:
    """Return the frame of one unit, where sides were read with windows of two units of a channel."""
    frame, known = sides.frame, Prefix(prefix.shape, [*prefix.layers[:-1], sides.layer])
    for kink in kinks[: CONV_SIDES.most]:
        origin = Origin(0, 0) if frame.whole else origin_of(known, len(known.layers), frame, kink)
        if origin is None:
            continue
        now = moving(known, kink.point, len(known.layers))
        down, across = move_shown(now, kink, origin, frame.kernel, tolerances)
        if (down, across) != (0, 0):
            return replace(frame, kernel=(frame.kernel[0] - down, frame.kernel[1] - abs(across)), whole=False)
    return frame


def move_shown(
    now: Moving, kink: Kink, origin: Origin, kernel: tuple[int, int], tolerances: Tolerances
) -> tuple[int, int]:
    """By how much a filter is moved that a kink shows less itself; (0, 0) where it shows another.

    Its offset is taken off, too: derivatives of images, whose entries add up to 0, keep theirs.
    """
    view = shown(now, kink, origin, kernel)
    found = fragment(Together(view), tolerances.rounding)
    if found is None or found.margin < CONV_ROWS.margin or not without_offset(found, view, tolerances.alike):
        return 0, 0
    patch, told = found.weights[:-1].reshape(-1, *kernel), found.known[:-1].reshape(-1, *kernel)
    return moved_by(patch, told, tolerances.alike)


def without_offset(found: Fragment, view: Shown, tolerance: float) -> bool:
    """Whether a fragment's offset is told and 0, beside features of so much."""
    size = max(1.0, float(np.abs(view.values).max(initial=0.0)))
    return bool(found.known[-1] and abs(found.weights[-1]) <= tolerance * size)


def moved_by(patch: Array, told: Mask, tolerance: float) -> tuple[int, int]:
    """By how much a filter is moved that a patch (C, rows, columns) shows less itself; (0, 0) for one alone.

    In half of the steps, too, chains add up to 0: the longest move with which they do is the filter's.

    Args:
        patch: what is shown.
        told: which of its entries are known.
        tolerance: of a sum, of the largest entry, that is 0.
    """
    rows, columns = patch.shape[1:]
    size = float(np.abs(patch[told]).max(initial=0.0))
    furthest = min(CONV_FIRST.widest_pool, rows) - 1, min(CONV_FIRST.widest_pool, columns) - 1
    moves = product(range(furthest[0] + 1), range(-furthest[1], furthest[1] + 1))
    longest_first = sorted(moves, key=lambda move: move[0] + abs(move[1]), reverse=True)
    for down, across in longest_first:
        if (down, across) > (0, 0):
            sums, shown = chain_sums(patch, told, down, across)
            there = shown > tolerance * size
            if there.sum() >= CONV_SIDES.chains and np.abs(sums).max() <= tolerance * size:
                return down, across
    return 0, 0


def chain_sums(patch: Array, told: Mask, down: int, across: int) -> tuple[Array, Array]:
    """Sums (m,) of a patch along chains of entries, all told, in steps of a move; largest entries."""
    rows, columns = patch.shape[1:]
    sums, largest = [], []
    for i in range(rows):
        for j in range(columns):
            if i >= down and 0 <= j - across < columns:
                continue  # not the first of its chain
            length = 1
            while i + length * down < rows and 0 <= j + length * across < columns:
                length += 1
            steps = np.arange(length)
            chain = np.s_[:, i + steps * down, j + steps * across]
            entries = patch[chain][told[chain].all(axis=1)]
            sums.append(entries.sum(axis=1))
            largest.append(np.abs(entries).max(axis=1, initial=0.0))
    return np.concatenate(sums), np.concatenate(largest)
