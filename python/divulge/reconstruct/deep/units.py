"""Segments that agree are one unit's: matching and merging."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from divulge.reconstruct.deep.prefix import Mask, Prefix
from divulge.reconstruct.deep.segments import Segments

Array = NDArray[np.float64]
Index = NDArray[np.intp]


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

    def gradients(self, prefix: Prefix, points: Array) -> Array:
        """Return the gradient of candidate n's pre-activation at point n, shape (n, d)."""
        return prefix.gradients(points, self.rows)


def agreeing(segments: Segments, tolerance: float, overlap: int) -> tuple[Index, Index]:
    """Return the pairs of segments that are proportional where both are known, with one common offset."""
    rows, masks = segments.rows, segments.masks.astype(float)
    dots = rows @ rows.T
    norms = (rows**2) @ masks.T  # [m, n]: |row m|^2 on the mask of n
    scale = np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)  # row n = scale * row m
    distance = np.maximum(norms.T - scale * dots, 0.0)  # |row n - scale row m|^2 on the overlap
    shared = masks @ masks.T
    offset_gap = np.abs(segments.offsets[None, :] - scale * segments.offsets[:, None])
    size = np.sqrt(norms.T)
    agree = (
        (shared >= overlap)
        & (np.sqrt(distance) <= 1e3 * tolerance * size)
        & (offset_gap <= tolerance * (size + np.abs(segments.offsets)[None, :]))
    )
    agree &= agree.T
    first, second = np.nonzero(np.triu(agree, 1))
    return first, second


def group(segments: Segments, tolerance: float, overlap: int) -> Index:
    """Return a group number for each segment, shape (m,)."""
    first, second = agreeing(segments, tolerance, overlap)
    n = len(segments)
    graph = csr_array((np.ones(len(first)), (first, second)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.intp)


def merge(segments: Segments, groups: Index) -> Candidates:
    """Merge every group into one candidate."""
    numbers, members = np.unique(groups, return_counts=True)
    merged = [merge_one(segments.take(groups == number)) for number in numbers]
    width, size = segments.rows.shape[1], segments.points.shape[1]
    return Candidates(
        np.array([row for row, _, _, _ in merged]).reshape(-1, width),
        np.array([known for _, known, _, _ in merged], bool).reshape(-1, width),
        np.array([offset for _, _, offset, _ in merged]),
        members,
        np.array([point for _, _, _, point in merged]).reshape(-1, size),
    )


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
        offset += trust * scale * segments.offsets[m]
        offset_weight += trust
    known = weight > 0
    row = np.divide(total, weight, out=np.zeros_like(total), where=known)
    size = np.linalg.norm(row)
    return row / size, known, float(offset / offset_weight / size), segments.points[order[0]]


def agrees_with(new: Candidates, old: Candidates, tolerance: float, overlap: int) -> Mask:
    """Whether each new candidate is one of the old ones, shape (c,)."""
    parts = new.segments().joined(old.segments())
    first, second = agreeing(parts, tolerance, overlap)
    out = np.zeros(len(new), bool)
    out[first[(first < len(new)) & (second >= len(new))]] = True
    return out


def joined(old: Candidates, new: Candidates) -> Candidates:
    """Return both sets of candidates as one."""
    return Candidates(
        np.concatenate([old.rows, new.rows]),
        np.concatenate([old.known, new.known]),
        np.concatenate([old.offsets, new.offsets]),
        np.concatenate([old.members, new.members]),
        np.concatenate([old.points, new.points]),
    )
