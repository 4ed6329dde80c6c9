"""The damped mean square of stored gradients, layer by layer, inverted and applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from divulge.influence.few_directions import Directions
from divulge.influence.operators import Array

__all__ = ["Inverse", "divided", "inverses", "inverses_of_few", "solved_rows"]

_NOTHING = "all stored gradients are 0, which leaves nothing to scale by; pass damping=None"


class Inverse(Protocol):
    """A^-1 of one layer.

    Attributes:
        width: D.
    """

    @property
    def width(self) -> int:
        """D."""

    def times(self, rows: Array) -> Array:
        """Return rows (k, D) times it, in their precision."""


@dataclass(frozen=True)
class Whole:
    """A^-1 (D, D)."""

    matrix: NDArray[np.float64]

    @property
    def width(self) -> int:
        """D."""
        return len(self.matrix)

    def times(self, rows: Array) -> Array:
        """Return rows (k, D) times it, in their precision."""
        return np.asarray(rows @ self.matrix.astype(rows.dtype))


@dataclass(frozen=True)
class OfFew:
    """(V diag(values) V' + l I)^-1 = (I - V diag(values / (values + l)) V') / l, by Woodbury's identity.

    Attributes:
        vectors: V (D, r).
        weights: values / (values + l) (r,).
        scale: 1 / l; 0 of a layer whose gradients are.
    """

    vectors: NDArray[np.float64]
    weights: NDArray[np.float64]
    scale: float

    @property
    def width(self) -> int:
        """D."""
        return len(self.vectors)

    def times(self, rows: Array) -> Array:
        """Return rows (k, D) times it, in their precision."""
        vectors, weights = self.vectors.astype(rows.dtype), self.weights.astype(rows.dtype)
        inside = (rows @ vectors * weights) @ vectors.T
        return np.asarray((rows - inside) * rows.dtype.type(self.scale))


def inverses_of_few(found: list[Directions], damping: float) -> list[Inverse]:
    """Return A^-1 of each layer, M by its leading directions alone; 0 of one whose gradients are."""
    if not any(one.mean for one in found):
        raise ValueError(_NOTHING)
    if not damping:
        raise ValueError(f"a store with directions needs a damping above 0, got {damping!r}")
    levels = [damping * one.mean for one in found]
    return [
        OfFew(one.vectors, one.values / (one.values + (level or 1)), 1 / level if level else 0.0)
        for one, level in zip(found, levels, strict=True)
    ]


def inverses(moments: list[NDArray[np.float64]], damping: float) -> list[Inverse]:
    """Return A^-1 of each layer; 0 of one whose gradients are."""
    if not any(np.trace(moment) for moment in moments):
        raise ValueError(_NOTHING)
    found: list[Inverse] = []
    for moment in moments:
        mean = np.trace(moment) / len(moment)
        values, vectors = np.linalg.eigh(moment)
        damped = np.maximum(values, 0) + damping * mean
        if mean and damped.min() <= 1e-12 * damped.max():
            raise ValueError(
                f"the mean square of the gradients' {len(moment)} numbers has no inverse; expected a damping "
                f"above 0, got {damping!r}"
            )
        found.append(Whole((vectors / damped) @ vectors.T if mean else np.zeros_like(moment)))
    return found


def solved_rows(rows: Array, inverses: list[Inverse] | None) -> Array:
    """Return A^-1 g of rows (k, columns), layer by layer, in their precision."""
    if inverses is None:
        return rows
    parts = np.split(rows, np.cumsum([inverse.width for inverse in inverses])[:-1], axis=1)
    turned = [inverse.times(part) for part, inverse in zip(parts, inverses, strict=True)]
    return np.concatenate(turned, axis=1)


def divided(rows: Array, squares: Array) -> Array:
    """Return rows divided by the roots of their squares; those of 0 stay."""
    return np.asarray(rows / np.sqrt(np.where(squares > 0, squares, 1))[:, None])
