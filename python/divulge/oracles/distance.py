"""By which distance a counterfactual is near: weighted p-norms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from divulge.arrays import Array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class Distance:
    """(sum_i (a_i |y_i - x_i|)^p)^(1/p), the largest a_i |y_i - x_i| where p is infinite.

    Attributes:
        norm: p, from 1 to infinity.
        weights: a, a positive number or shape (d,).

    Raises:
        ValueError: p is below 1 or NaN, or a weight not positive and finite.

    Source:
        That a smooth distance tells a linear model's border by one counterfactual, and a polyhedral one by as
        many as there are numbers: D. Otto, J. Kurtz, D. den Hertog, I. Birbil, 2026 (arXiv 2602.09748).
    """

    norm: float = 2.0
    weights: ArrayLike = 1.0

    def __post_init__(self) -> None:
        if not self.norm >= 1:
            raise ValueError(f"expected the p of a norm, 1 or more, got {self.norm}")
        sizes = np.asarray(self.weights, np.float64)
        if sizes.ndim > 1 or not (np.isfinite(sizes) & (sizes > 0)).all():
            raise ValueError(f"expected weights of a distance above 0, a number or (d,), got {self.weights}")

    @property
    def euclidean(self) -> bool:
        """Whether it is the Euclidean distance, up to a factor."""
        return self.norm == 2 and not np.ptp(np.asarray(self.weights))

    @property
    def smooth(self) -> bool:
        """Whether one nearest input of another class tells the direction of a flat border."""
        return 1 < self.norm < np.inf

    def length(self, moves: Array) -> Array:
        """Return the lengths (...) of moves (..., d)."""
        return np.asarray(np.linalg.norm(moves * np.asarray(self.weights), self.norm, axis=-1))

    def normal(self, move: Array) -> Array:
        """Return the normal (d,) of the plane that a shortest move (d,) ends at; for smooth ones alone.

        n_i = a_i^p |m_i|^(p - 1) sign(m_i), the gradient of the length up to a factor.
        """
        if self.norm == 2:
            return np.asarray(move * np.asarray(self.weights) ** 2)
        sizes = np.abs(move * np.asarray(self.weights))
        shares = sizes / max(float(sizes.max()), np.finfo(float).tiny)
        return np.asarray(np.asarray(self.weights) * shares ** (self.norm - 1) * np.sign(move))

    def step(self, normals: Array) -> Array:
        """Return the shortest moves m (..., d) with n m = 1 for normals n (..., d); 0 where n is.

        Of the largest |n_i| / a_i alone for p = 1, of all numbers alike for an infinite one.
        """
        steep = normals / np.asarray(self.weights)
        largest = np.abs(steep).max(axis=-1, keepdims=True)
        shares = np.abs(steep) / np.where(largest == 0, 1.0, largest)
        if self.norm == 1:
            first = shares.argmax(axis=-1)[..., None]
            shares = (np.arange(normals.shape[-1]) == first).astype(float)
        else:
            shares = (shares > 0) * shares ** (1 / (self.norm - 1))
        moves = np.sign(normals) * shares / np.asarray(self.weights)
        along = (moves * normals).sum(axis=-1, keepdims=True)
        return np.asarray(moves / np.where(along == 0, 1.0, along))
