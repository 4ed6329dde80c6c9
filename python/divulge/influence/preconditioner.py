"""The damped mean square of stored gradients, layer by layer, inverted and applied."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.influence.operators import Array

__all__ = ["divided", "inverses", "solved_rows"]


def inverses(moments: list[NDArray[np.float64]], damping: float) -> list[NDArray[np.float64]]:
    """Return A^-1 of each layer; 0 of one whose gradients are."""
    if not any(np.trace(moment) for moment in moments):
        raise ValueError("all stored gradients are 0, which leaves nothing to scale by; pass damping=None")
    found = []
    for moment in moments:
        mean = np.trace(moment) / len(moment)
        values, vectors = np.linalg.eigh(moment)
        damped = np.maximum(values, 0) + damping * mean
        if mean and damped.min() <= 1e-12 * damped.max():
            raise ValueError(
                f"the mean square of the gradients' {len(moment)} numbers has no inverse; expected a damping "
                f"above 0, got {damping!r}"
            )
        found.append(np.asarray((vectors / damped) @ vectors.T) if mean else np.zeros_like(moment))
    return found


def solved_rows(rows: Array, inverses: list[NDArray[np.float64]] | None) -> Array:
    """Return A^-1 g of rows (k, columns), layer by layer, in their precision."""
    if inverses is None:
        return rows
    parts = np.split(rows, np.cumsum([len(inverse) for inverse in inverses])[:-1], axis=1)
    turned = [part @ inverse.astype(rows.dtype) for part, inverse in zip(parts, inverses, strict=True)]
    return np.concatenate(turned, axis=1)


def divided(rows: Array, squares: Array) -> Array:
    """Return rows divided by the roots of their squares; those of 0 stay."""
    return np.asarray(rows / np.sqrt(np.where(squares > 0, squares, 1))[:, None])
