"""Masked least squares with numpy.linalg, the twin of the core's `masked_least_squares`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from divulge.arrays import Array, Mask

__all__ = ["masked_least_squares"]


def masked_least_squares(
    basis: ArrayLike, targets: ArrayLike, masks: ArrayLike, tolerance: float = 1e-10
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Write each target as a combination of those rows of a basis that its mask allows.

    Args:
        basis: B of shape (h, d), or (n, h, d) with one a problem.
        targets: b of shape (n, d).
        masks: booleans of shape (n, h).
        tolerance: an active row that lies within this share of its length from the span of the active rows
            before it is dropped.

    Returns:
        Coefficients r (n, h), argmin |r B - b|, zero off the mask and for dropped rows; the relative
        residuals |r B - b| / |b| (n,), 0 for b = 0; the number of rows used (n,).
    """
    b, allowed = np.asarray(targets, np.float64), np.asarray(masks, bool)
    bases = np.broadcast_to(np.asarray(basis, np.float64), (*allowed.shape, b.shape[1]))
    coefficients, residuals = np.zeros(allowed.shape), np.zeros(len(b))
    ranks = np.zeros(len(b), np.int64)
    for i, (rows, target, mask) in enumerate(zip(bases, b, allowed, strict=True)):
        used = np.flatnonzero(mask)
        used = used[_independent(rows[used], tolerance)]
        coefficients[i, used] = np.linalg.lstsq(rows[used].T, target)[0]
        rest = float(np.linalg.norm(coefficients[i] @ rows - target))
        residuals[i] = rest / float(np.linalg.norm(target)) if rest else 0.0
        ranks[i] = len(used)
    return coefficients, residuals, ranks


def _independent(rows: Array, tolerance: float) -> Mask:
    """Return which rows lie off the span of the rows before them, by Gram-Schmidt done twice."""
    span = np.zeros((0, rows.shape[1]))
    kept = np.zeros(len(rows), bool)
    for i, row in enumerate(rows):
        rest = row - span.T @ (span @ row)
        rest -= span.T @ (span @ rest)
        length = np.linalg.norm(rest)
        kept[i] = len(span) < len(row) and length > tolerance * np.linalg.norm(row)
        if kept[i]:
            span = np.vstack([span, rest / length])
    return kept
