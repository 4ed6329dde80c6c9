"""Grouping of partial rows with plain NumPy, the twin of the core's `match_rows`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from divulge.arrays import Array, Mask

__all__ = ["match_rows"]


def match_rows(
    rows: ArrayLike, masks: ArrayLike, offsets: ArrayLike, tolerance: float = 1e-9, overlap: int = 3
) -> tuple[NDArray[np.int64], Array]:
    """Group partial rows that can be multiples of one row.

    Args:
        rows: shape (n, h), of which only entries that the masks allow are read.
        masks: booleans of shape (n, h).
        offsets: shape (n,), which take the same factor as the rows.
        tolerance: two rows agree when 1 - |cos| on the entries that both know is at most this, and their
            offsets, divided by their lengths there, differ by at most sqrt(2 tolerance) (1 + the larger one).
            If not, they contradict.
        overlap: pairs with fewer common entries say nothing, nor do those of which one row is zero there.

    Returns:
        Labels 0, 1, ... (n,) in the order of first appearance: agreeing pairs are joined from the largest
        overlap down, unless a row of one group contradicts a row of the other. Factors (n,): row i is
        factors[i] times the first row of its group.
    """
    known = np.asarray(masks, bool)
    values = np.where(known, np.asarray(rows, np.float64), 0.0)
    agree, contradict, common, factor = _verdicts(
        values, known, np.asarray(offsets, np.float64), tolerance, overlap
    )
    i, j = np.nonzero(np.triu(agree, 1))
    order = np.argsort(-common[i, j], kind="stable")
    return _join(i[order], j[order], factor[i, j][order], contradict)


def _verdicts(
    values: Array, known: Mask, offsets: Array, tolerance: float, overlap: int
) -> tuple[Mask, Mask, Array, Array]:
    """Return for all pairs (n, n): agree, contradict, common entries, and the factor from i to j."""
    mask = known.astype(np.float64)
    dot, common = values @ values.T, mask @ mask.T
    squares = (values * values) @ mask.T  # [i, j]: |row i|^2 where j is known
    there = squares > 1e-16 * (values * values).sum(1)[:, None]
    speaks = (common >= overlap) & there & there.T
    length = np.sqrt(np.where(there, squares, 1.0))
    cosine = np.abs(dot) / (length * length.T)
    u = offsets[:, None] / length
    w = np.where(dot < 0, -1.0, 1.0) * u.T
    close = np.abs(u - w) <= np.sqrt(2 * tolerance) * (1 + np.maximum(np.abs(u), np.abs(w)))
    agree = speaks & (1 - cosine <= tolerance) & close
    return agree, speaks & ~agree, common, dot / np.where(there, squares, 1.0)


def _join(
    i: NDArray[np.int64], j: NDArray[np.int64], factors: Array, contradict: Mask
) -> tuple[NDArray[np.int64], Array]:
    """Join pairs in the order given; each group is kept as its members with their factors."""
    n = len(contradict)
    group_of = list(range(n))
    members = [[k] for k in range(n)]
    scale = np.ones(n)
    for a, b, factor in zip(i.tolist(), j.tolist(), factors.tolist(), strict=True):
        first, second = group_of[a], group_of[b]
        if first == second or contradict[np.ix_(members[first], members[second])].any():
            continue
        scale[members[second]] *= scale[a] * factor / scale[b]
        for k in members[second]:
            group_of[k] = first
        members[first] += members[second]
    _, firsts, inverse = np.unique(group_of, return_index=True, return_inverse=True)
    labels = np.argsort(np.argsort(firsts))[inverse]
    return labels.astype(np.int64), scale / scale[firsts][inverse]
