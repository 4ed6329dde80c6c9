"""Conjugate gradients for a block of vectors, each with its own stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.influence.solvers.solution import Floats, Matrix, Solution, residuals
from divulge.influence.solvers.spectrum import not_positive_definite

__all__ = ["ConjugateGradients"]

_RESTARTS = 4


@dataclass(frozen=True)
class ConjugateGradients:
    """Solves (C + damping) x = b by conjugate gradients (Hestenes & Stiefel 1952).

    One product an iteration serves all rows that are not done. Vectors are kept in float64; the products
    have the module's precision. When the recurrence has reached the tolerance the residual is computed
    anew, and the iteration goes on from there where it was too hopeful.

    Attributes:
        matrix: what is solved with.
        tolerance: on |b - A x| / |b|.
        max_iterations: products a row may take part in.
        seed: of the search for the smallest eigenvalue, where the matrix turns out not to be positive.
    """

    matrix: Matrix
    tolerance: float
    max_iterations: int
    seed: int = 0

    def solve(self, vectors: Floats) -> Solution:
        """Solve for rows b (m, P).

        Raises:
            SingularCurvature: a direction p with p'(C + damping)p <= 0 was met.
        """
        rows = [_Row(b, self.tolerance * float(np.linalg.norm(b))) for b in vectors]
        x, relative = np.zeros_like(vectors), np.zeros(len(vectors))
        for _ in range(_RESTARTS if rows else 0):
            self._descend(rows)
            x = np.stack([row.x for row in rows])
            r, relative = residuals(self.matrix, x, vectors)
            hopeful = [row.restart(fresh) for row, fresh in zip(rows, r, strict=True)]
            if not any(hopeful):
                break
        iterations = np.array([row.iterations for row in rows], np.int64)
        return Solution(x, relative, iterations, relative <= self.tolerance)

    def _descend(self, rows: list[_Row]) -> None:
        """Iterate until each row's recurrence has reached its goal."""
        while active := [row for row in rows if row.goes_on and row.iterations < self.max_iterations]:
            products = self.matrix(np.stack([row.p for row in active]))
            for row, product in zip(active, products, strict=True):
                if not row.step(product):
                    raise not_positive_definite(self.matrix, self.seed)


class _Row:
    """One solution on its way; rows are worked on one by one, for a row fits into the cache."""

    def __init__(self, b: Floats, goal: float) -> None:
        self.goal, self.iterations = goal, 0
        self.x, self.r, self.p = np.zeros_like(b), b.copy(), b.copy()
        self.square = self.started = _dot(b, b)

    @property
    def goes_on(self) -> bool:
        return self.square > self.goal**2

    def step(self, product: Floats) -> bool:
        """Move along p, given A p; False where p'A p is not above zero."""
        curvature = _dot(self.p, product)
        if not curvature > 0:
            return False
        length = self.square / curvature
        self.x += length * self.p
        self.r -= length * product
        after = _dot(self.r, self.r)
        self.p *= after / self.square
        self.p += self.r
        self.square = after
        self.iterations += 1
        return True

    def restart(self, r: Floats) -> bool:
        """Go on from a fresh residual; False where there is no need, or the last time brought no progress."""
        self.r, self.p = r.copy(), r.copy()
        before, self.square = self.started, _dot(r, r)
        self.started = self.square
        stuck = self.square > 0.25 * before
        if stuck:
            self.goal = float(np.inf)
        return self.goes_on


def _dot(a: Floats, b: Floats) -> float:
    # NumPy's @ wakes BLAS's threads for this, which takes longer than the sum where cores are shared.
    return float(np.einsum("i,i->", a, b))
