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
        x, r = np.zeros_like(vectors), vectors.copy()
        norms = np.linalg.norm(vectors, axis=1)
        goal = self.tolerance * norms
        iterations = np.zeros(len(vectors), np.int64)
        for _ in range(_RESTARTS):
            before = np.linalg.norm(r, axis=1)
            self._descend(x, r, goal, iterations)
            r, relative = residuals(self.matrix, x, vectors)
            stuck = np.linalg.norm(r, axis=1) > 0.5 * before
            if ((relative <= self.tolerance) | stuck | (iterations >= self.max_iterations)).all():
                break
        return Solution(x, relative, iterations, relative <= self.tolerance)

    def _descend(self, x: Floats, r: Floats, goal: Floats, iterations: np.ndarray) -> None:
        """Iterate in place until each row's recurrence has reached its goal."""
        p, square = r.copy(), np.einsum("ij,ij->i", r, r)
        active = np.flatnonzero((np.sqrt(square) > goal) & (iterations < self.max_iterations))
        while len(active):
            product = self.matrix(p[active])
            curvature = np.einsum("ij,ij->i", p[active], product)
            if not (curvature > 0).all():
                raise not_positive_definite(self.matrix, self.seed)
            step = (square[active] / curvature)[:, None]
            x[active] += step * p[active]
            r[active] -= step * product
            after = np.einsum("ij,ij->i", r[active], r[active])
            p[active] = r[active] + (after / square[active])[:, None] * p[active]
            square[active] = after
            iterations[active] += 1
            going = (np.sqrt(after) > goal[active]) & (iterations[active] < self.max_iterations)
            active = active[going]
