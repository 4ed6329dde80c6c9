"""Matrices of samples in a row, each kept by its leading singular pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divulge.influence.operators import Array

__all__ = ["decoded", "encoded", "stored_columns"]

Shape = Sequence[int]


def stored_columns(shapes: Sequence[Shape], rank: int) -> int:
    """Return how many numbers a row takes; 0 for matrices kept whole."""
    return sum(_taken(shape, rank) for shape in shapes)


def encoded(rows: Array, shapes: Sequence[Shape], rank: int) -> Array:
    """Return the leading singular pairs of rows' matrices, as far as they take less than the matrices do.

    Each vector is multiplied by the root of its singular value, so that no number is larger than the root of
    the matrix's length. LoRIF (arXiv 2601.21929) stores gradients so.

    Args:
        rows: (k, sum of a b), matrices (a, b) one behind the other.
        shapes: (a, b) of each.
        rank: pairs.
    """
    parts = []
    for part, shape in zip(np.split(rows, _ends([a * b for a, b in shapes]), axis=1), shapes, strict=True):
        if not _is_factored(shape, rank):
            parts.append(part)
            continue
        u, s, v = np.linalg.svd(part.reshape(-1, *shape).astype(np.float64), full_matrices=False)
        roots = np.sqrt(s[:, :rank])
        left, right = u[:, :, :rank] * roots[:, None], v[:, :rank] * roots[:, :, None]
        parts += [left.reshape(len(rows), -1), right.reshape(len(rows), -1)]
    return np.concatenate(parts, axis=1)


def decoded(rows: Array, shapes: Sequence[Shape], rank: int) -> Array:
    """Return the matrices (k, sum of a b) that the pairs are of, in the rows' precision."""
    parts = []
    columns = [_taken(shape, rank) for shape in shapes]
    for part, (a, b) in zip(np.split(rows, _ends(columns), axis=1), shapes, strict=True):
        if not _is_factored((a, b), rank):
            parts.append(part)
            continue
        left, right = part[:, : a * rank].reshape(-1, a, rank), part[:, a * rank :].reshape(-1, rank, b)
        parts.append((left @ right).reshape(len(part), -1))
    return np.concatenate(parts, axis=1)


def _is_factored(shape: Shape, rank: int) -> bool:
    """Whether pairs take less than the matrix."""
    return 0 < rank * sum(shape) < shape[0] * shape[1]


def _taken(shape: Shape, rank: int) -> int:
    return rank * sum(shape) if _is_factored(shape, rank) else shape[0] * shape[1]


def _ends(columns: Sequence[int]) -> list[int]:
    return [int(end) for end in np.cumsum(columns)[:-1]]
