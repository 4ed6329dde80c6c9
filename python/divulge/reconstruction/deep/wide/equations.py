"""Linear equations about one unit's row: sums of entries may be known where single ones are not."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.settings import FOLLOWING, TINY


class Equations:
    """Equations a . theta = y, orthonormalised as they come.

    Args:
        unknowns: length of theta.

    Attributes:
        basis: orthonormal rows that span what is known, shape (r, n).
        solution: the smallest theta that the equations allow, shape (n,).
        asked: every equation as it came, a and y.
    """

    def __init__(self, unknowns: int) -> None:
        self.basis = np.empty((0, unknowns))
        self.solution = np.zeros(unknowns)
        self.asked: list[tuple[Array, float]] = []

    def __len__(self) -> int:
        return len(self.basis)

    def extended(self, more: Iterable[tuple[Array, float]]) -> Equations:
        """Return these equations and more."""
        out = Equations(len(self.solution))
        out.basis, out.solution, out.asked = self.basis, self.solution, list(self.asked)
        for terms, right in more:
            out.add(terms, right)
        return out

    @property
    def free(self) -> Array:
        """Orthonormal rows that the equations leave open, shape (n - r, n)."""
        _, _, vt = np.linalg.svd(self.basis, full_matrices=True)
        return np.asarray(vt[len(self) :])

    def beyond(self, terms: Array) -> Array:
        """Return the part of a (n,) that no equation so far is about."""
        left = terms - self.basis.T @ (self.basis @ terms)
        return np.asarray(left - self.basis.T @ (self.basis @ left))

    def beyond_all(self, terms: Array) -> Array:
        """Return the same of several, shape (m, n)."""
        left = terms - (terms @ self.basis.T) @ self.basis
        return np.asarray(left - (left @ self.basis.T) @ self.basis)

    def tell(self, terms: Array) -> float | None:
        """Return a . theta for a (n,), or None where the equations leave it open."""
        size = np.linalg.norm(terms)
        open_part = np.linalg.norm(self.beyond(terms))
        return float(terms @ self.solution) if open_part <= FOLLOWING.spanned * size else None

    def add(self, terms: Array, right: float) -> None:
        """Take in a . theta = y."""
        self.asked.append((terms, right))
        size, new = np.linalg.norm(terms), self.beyond(terms)
        part = np.linalg.norm(new)
        if part <= FOLLOWING.independent * size or not size:
            return
        self.solution = self.solution + (right - terms @ self.solution) / part * (new / part)
        self.basis = np.vstack([self.basis, new / part])

    @property
    def known(self) -> Mask:
        """Which single entries of theta are determined, shape (n,)."""
        return np.asarray(1 - (self.basis**2).sum(axis=0) < FOLLOWING.determined)

    def refined(self) -> Array:
        """Return the solution by least squares over all equations, weighted to one length."""
        terms, right = np.array([a for a, _ in self.asked]), np.array([y for _, y in self.asked])
        size = np.maximum(np.linalg.norm(terms, axis=1), TINY)
        return np.asarray(np.linalg.lstsq(terms / size[:, None], right / size, rcond=FOLLOWING.spanned)[0])
