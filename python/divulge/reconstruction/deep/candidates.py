"""Segments that agree are one unit's: matching and merging."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge import _core
from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.deep.partial_rows import Segments
from divulge.reconstruction.network.known_layers import Dense, Prefix


@dataclass(frozen=True)
class Candidates:
    """Units of the next layer as far as they are known, orientation open.

    Attributes:
        rows: of unit norm, 0 where unknown, shape (c, p).
        known: which entries have been seen, shape (c, p).
        offsets: shape (c,).
        members: how many segments each was merged from, shape (c,).
        points: a kink of each, shape (c, d).
    """

    rows: Array
    known: Mask
    offsets: Array
    members: Index
    points: Array

    def __len__(self) -> int:
        return len(self.offsets)

    def take(self, which: Index | Mask) -> Candidates:
        """Return some of them."""
        return Candidates(
            self.rows[which],
            self.known[which],
            self.offsets[which],
            self.members[which],
            self.points[which],
        )

    def segments(self) -> Segments:
        """Return the candidates as segments, to be matched with others."""
        n = len(self)
        return Segments(self.rows, self.known, self.offsets, np.zeros(n), np.ones(n, bool), self.points)

    def turned(self, which: Mask) -> Dense:
        """Return all units as a layer, some of them turned over."""
        sign = np.where(which, -1.0, 1.0)
        return Dense(self.rows * sign[:, None], self.offsets * sign)

    def gradients(self, prefix: Prefix, points: Array) -> Array:
        """Return the gradient of candidate n's pre-activation at point n, shape (n, d)."""
        return prefix.gradients(points, self.rows)


def group(segments: Segments, tolerance: float, overlap: int) -> Index:
    """Return a group number for each segment, shape (m,): equal where segments are parts of one row.

    Args:
        segments: what jumps say.
        tolerance: angle between parts of one row, and gap of their offsets, that count as rounding.
        overlap: entries that two segments must share to be compared.
    """
    if not len(segments):
        return np.empty(0, np.intp)
    sizes = np.linalg.norm(segments.rows, axis=1)
    rows, offsets = segments.rows / sizes[:, None], segments.offsets / sizes
    labels, _ = _core.match_rows(rows, segments.masks, offsets, tolerance**2 / 2, overlap)
    return np.asarray(labels, np.intp)


def merge(segments: Segments, groups: Index) -> Candidates:
    """Merge every group into one candidate."""
    _, first, members = np.unique(groups, return_index=True, return_counts=True)
    rows, known = segments.rows[first].copy(), segments.masks[first].copy()
    offsets, points = segments.offsets[first].copy(), segments.points[first].copy()
    sizes = np.linalg.norm(rows, axis=1)
    rows, offsets = rows / sizes[:, None], offsets / sizes
    order = np.argsort(groups, kind="stable")
    for place in np.flatnonzero(members > 1):
        start = int(members[:place].sum())
        own = order[start : start + members[place]]
        rows[place], known[place], offsets[place], points[place] = merge_one(segments.take(own))
    return Candidates(rows, known, offsets, members, points)


def merge_one(segments: Segments) -> tuple[Array, Mask, float, Array]:
    """Scale segments to one another and average them, the clearest first."""
    sizes = np.linalg.norm(segments.rows, axis=1)
    order = np.lexsort((-sizes, -segments.masks.sum(axis=1)))
    total = np.zeros(segments.rows.shape[1])
    weight = np.zeros(segments.rows.shape[1])
    offset = offset_weight = 0.0
    for m in order:
        row, mask, scale = segments.rows[m], segments.masks[m], 1.0 / sizes[m]
        both = mask & (weight > 0)
        if both.any():
            mean = total[both] / weight[both]
            if not row[both] @ row[both]:
                continue
            scale = (mean @ row[both]) / (row[both] @ row[both])
        trust = 1.0 / scale**2  # a jump's rounding does not depend on its size
        total[mask] += trust * scale * row[mask]
        weight[mask] += trust
        near = trust / (1.0 + segments.points[m] @ segments.points[m])  # an offset's grows with the distance
        offset += near * scale * segments.offsets[m]
        offset_weight += near
    known = weight > 0
    row = np.divide(total, weight, out=np.zeros_like(total), where=known)
    size = np.linalg.norm(row)
    return row / size, known, float(offset / offset_weight / size), segments.points[order[0]]


def joined(old: Candidates, new: Candidates) -> Candidates:
    """Return both sets of candidates as one."""
    return Candidates(
        np.concatenate([old.rows, new.rows]),
        np.concatenate([old.known, new.known]),
        np.concatenate([old.offsets, new.offsets]),
        np.concatenate([old.members, new.members]),
        np.concatenate([old.points, new.points]),
    )
