"""What a window of features shows at a kink of the next layer, and the filter that explains the kink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg import svd

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.convolutional.equations import upper_triangle
from divulge.reconstruction.convolutional.linearised import Moving
from divulge.reconstruction.convolutional.walk import Kink
from divulge.reconstruction.settings import CONV_ROWS, TINY


class Origin(NamedTuple):
    """Where a window of features begins; before 0 where padding is part of it."""

    row: int
    column: int


@dataclass(frozen=True)
class Shown:
    """What the features of a window are at a kink.

    Attributes:
        rows: input gradient of each, shape (q, d); features come channel by channel, row by row.
        values: shape (q,).
        kink: the kink.
    """

    rows: Array
    values: Array
    kink: Kink


@dataclass(frozen=True)
class Fragment:
    """What kinks tell of a channel, up to a factor.

    Attributes:
        weights: of the features of a window, then the offset, shape (q + 1,); 0 where not known.
        known: which are determined, shape (q + 1,).
        residual: relative singular value of the combination: 0 where it explains the kinks.
        margin: equations more than unknowns.
    """

    weights: Array
    known: Mask
    residual: float
    margin: int


def shown(now: Moving, kink: Kink, origin: Origin, kernel: tuple[int, int]) -> Shown:
    """Return what a window shows of features at a kink; padding is 0."""
    count, height, width = now.maps.shape
    rows, columns = (np.arange(size) + first for size, first in zip(kernel, origin, strict=True))
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[None]
    place = np.clip(rows, 0, height - 1)[:, None] * width + np.clip(columns, 0, width - 1)[None]
    place = (np.arange(count)[:, None, None] * height * width + place).ravel()
    inside = np.tile(inside.ravel(), count)
    values = np.where(inside, now.values()[place], 0.0)
    slopes = now.slopes.flatten(1)[:, torch.from_numpy(place)].numpy().T
    return Shown(np.where(inside[:, None], slopes, 0.0), values, kink)


def pixels(rows: Array, kink: Kink) -> Index:
    """Entries of an input that features, rows (q, d), or a kink show."""
    seen = np.abs(kink.jump) > max(kink.floor, TINY)
    return np.flatnonzero(np.any(rows != 0, axis=0) | seen)


def equations(view: Shown) -> Array:
    """Homogeneous equations (m, q + 1) of weights and offset: gradient along the jump, level 0."""
    at = pixels(view.rows, view.kink)
    normal = view.kink.jump[at] / np.linalg.norm(view.kink.jump)
    slopes = view.rows[:, at].T
    across = slopes - normal[:, None] * (normal @ slopes)
    size = max(float(np.abs(slopes).max(initial=0.0)), TINY)
    level = np.append(view.values, 1.0) / max(1.0, float(np.abs(view.values).max(initial=0.0)))
    return np.concatenate([np.column_stack([across / size, np.zeros(len(at))]), level[None]])


def along(view: Shown) -> Array:
    """How much of the jump's direction each feature has, and 0 for the offset: shape (q + 1,)."""
    return np.append(view.rows @ (view.kink.jump / np.linalg.norm(view.kink.jump)), 0.0)


class Together:
    """Kinks of one channel, and the triangle of their equations' QR decomposition, which says what these do.

    Attributes:
        views: of the channel, at its kinks.
        corner: the triangle, shape (at most q + 1, q + 1).
        count: how many equations there are.
    """

    def __init__(self, *views: Shown) -> None:
        self.views: list[Shown] = []
        self.corner = np.empty((0, 0))
        self.count = 0
        for view in views:
            self.add(view)

    def add(self, view: Shown) -> None:
        """Take another kink."""
        fresh = equations(view)
        self.count += len(fresh)
        self.corner = upper_triangle(np.concatenate([self.corner, fresh])) if self.views else fresh
        self.views.append(view)

    def without(self, features: Index) -> Together:
        """Return it without the unknowns of some features."""
        found = Together()
        found.views, found.count, found.corner = self.views, self.count, self.corner.copy()
        found.corner[:, features] = 0.0
        return found

    def scaled(self) -> tuple[Array, Mask, Array]:
        """Equations (m, seen) of norm 1; which unknowns are seen, and norms, shape (q + 1,)."""
        sizes = np.linalg.norm(self.corner, axis=0)
        seen = sizes > 0
        return self.corner[:, seen] / sizes[seen], seen, sizes

    def margin(self, seen: int) -> int:
        """Equations more than unknowns; one of each kink is none: along its jump all is projected out."""
        return self.count - len(self.views) - seen + 1


def fragment(kinks: Together, tolerance: float) -> Fragment | None:
    """Return what kinks of one channel tell of it; None where no combination of features explains them.

    Args:
        kinks: of one channel.
        tolerance: singular value, of the largest, up to which equations hold.
    """
    system, seen, sizes = kinks.scaled()
    margin = kinks.margin(system.shape[1])
    if margin <= 0:
        return None
    _, values, basis = svd(system, full_matrices=False, lapack_driver="gesdd")
    null = values <= tolerance * values[0]
    if not null.any():
        return None
    return _solution(basis[null] / sizes[seen], seen, kinks.views, float(values[null][0] / values[0]), margin)


def refuted(kinks: Together, tolerance: float, margin: int) -> bool:
    """Whether no combination of features explains kinks, of one channel, by more equations than chance."""
    system = kinks.scaled()[0]
    if kinks.margin(system.shape[1]) < margin:
        return False
    values = svd(system, compute_uv=False, check_finite=False)
    return bool(values[-1] > tolerance * values[0])


def _solution(
    null: Array, seen: Mask, views: Sequence[Shown], residual: float, margin: int
) -> Fragment | None:
    """Of combinations (m, seen) that are consistent take the one along the jump, and say what is open in it.

    The others are combinations of features with no gradient at all; what they hold is not determined.
    """
    parts = np.array([null @ along(view)[seen] for view in views])  # (kinks, m)
    size = np.abs(parts).max(axis=1)
    if size.min() <= TINY:
        return None
    share = parts[0] / (parts[0] @ parts[0])
    weights = share @ null
    idle = null - np.outer(parts[0], weights)
    scale = np.linalg.norm(weights)
    known = np.abs(idle).max(axis=0) <= CONV_ROWS.open * max(np.abs(null).max(), TINY)
    if not known.any() or not scale:
        return None
    full, determined = np.zeros(len(seen)), np.zeros(len(seen), bool)
    full[seen], determined[seen] = np.where(known, weights, 0.0) / scale, known
    return Fragment(full, determined, residual, margin)


def completed(view: Shown, weights: Array, known: Mask, tolerance: float) -> Fragment | None:
    """Return what a kink adds to a channel of which some entries are known; None where it is none of its own.

    Args:
        view: of the channel, at its kink.
        weights: shape (q + 1,).
        known: which of them are, shape (q + 1,).
        tolerance: residual, of the sizes of the known parts, up to which equations hold. Their sum is 0 where
            what is not known is.
    """
    system = equations(view)
    told = system[:, known] @ weights[known]
    sizes = np.linalg.norm(system, axis=0)
    open_ = np.flatnonzero(~known & (sizes > 0))
    margin = len(system) - 1 - len(open_)
    size = float(np.linalg.norm(np.abs(system[:, known]) @ np.abs(weights[known])))
    if margin <= 0 or not size:
        return None
    columns = system[:, open_] / sizes[open_]
    left, values, right = svd(columns, full_matrices=False, lapack_driver="gesdd")
    kept = values > tolerance * max(float(values.max(initial=0.0)), TINY)
    found = -right[kept].T @ ((left[:, kept].T @ told) / values[kept])
    rest = float(np.linalg.norm(told + columns @ found)) / size
    if rest > tolerance:
        return None
    sure = (right[kept] ** 2).sum(axis=0) >= 1 - CONV_ROWS.open
    full, determined = np.where(known, weights, 0.0), known.copy()
    full[open_[sure]], determined[open_[sure]] = found[sure] / sizes[open_[sure]], True
    return Fragment(full, determined, rest, margin)
