"""Conjugate gradients for a block of vectors that share one Krylov space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from divulge.influence.solvers.solution import Floats, Matrix, Solution, residuals
from divulge.influence.solvers.spectrum import not_positive_definite

__all__ = ["ConjugateGradients"]

_RESTARTS = 4
# The recurrence aims a little lower than asked: a restart for the last percent costs two products.
_MARGIN = 0.9
# Directions of a residual block this small beside the largest, squared, are rounding and are dropped.
_RANK = 1e-14
# Columns of a block that are worked on at once, so that they stay in the cache.
_COLUMNS = 4096


@dataclass(frozen=True)
class ConjugateGradients:
    """Solves (C + damping) x = b by block conjugate gradients (O'Leary 1980; Dubrulle 2001, BCGrQ).

    Each row's solution is sought in the Krylov space of all rows together, so that a block needs fewer
    products than its rows would one by one. Residuals are kept as coefficients of an orthonormal basis,
    which shrinks where rows come to depend on one another. Vectors are kept in float64; the products have
    the module's precision. When the recurrence has reached the tolerance the residual is computed anew, and
    the iteration goes on from there where it was too hopeful.

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
        norms = np.linalg.norm(vectors, axis=1)
        goals, x, r = _MARGIN * self.tolerance * norms, np.zeros_like(vectors), vectors
        iterations, relative = np.zeros(len(vectors), np.int64), np.where(norms > 0, 1.0, 0.0)
        rows = np.flatnonzero(norms)
        for _ in range(_RESTARTS):
            if not len(rows):
                break
            with _blas().limit(limits=1, user_api="blas"):
                x[rows] += self._descend(r[rows], goals[rows], rows, iterations)
            before = relative[rows]
            r, relative = residuals(self.matrix, x, vectors)
            hopeful = (relative[rows] > self.tolerance) & (relative[rows] <= 0.5 * before)
            rows = rows[hopeful & (iterations[rows] < self.max_iterations)]
        return Solution(x, relative, iterations, relative <= self.tolerance)

    def _descend(
        self, r: Floats, goals: Floats, rows: NDArray[np.int64], iterations: NDArray[np.int64]
    ) -> Floats:
        """Return what to add to x (m, P), until each row's recurrence has reached its goal or its limit.

        r = d q for an orthonormal basis q (k, P) of the residuals, whose search directions are s (k, P).
        """
        norms = np.linalg.norm(r, axis=1)
        d, q = _orthonormal(r / norms[:, None])
        d *= norms[:, None]
        x, s = np.zeros_like(r), q.copy()
        parts = [slice(begin, begin + _COLUMNS) for begin in range(0, r.shape[1], _COLUMNS)]
        active = np.ones(len(r), bool)
        while active.any() and len(q):
            products = self.matrix(s)
            inverse = self._inverse(products @ s.T)
            iterations[rows[active]] += 1
            step = d @ inverse
            for part in parts:
                x[:, part] += step @ s[:, part]
                q[:, part] -= inverse @ products[:, part]
            z, q = _orthonormal(q)
            d, before, s = d @ z, s, products[: len(q)]  # in the products' memory
            for part in parts:
                s[:, part] = q[:, part] + z.T @ before[:, part]
            active &= (np.linalg.norm(d, axis=1) > goals) & (iterations[rows] < self.max_iterations)
        return x

    def _inverse(self, gram: Floats) -> Floats:
        """Return the inverse of s A s' (k, k), where that is positive definite."""
        values, vectors = np.linalg.eigh((gram + gram.T) / 2)
        if not values[0] > 0:
            raise not_positive_definite(self.matrix, self.seed)
        return np.asarray((vectors / values) @ vectors.T)


@cache
def _blas() -> ThreadpoolController:
    """What sets the threads of NumPy's BLAS: one is enough for narrow blocks, more wait for each other."""
    return ThreadpoolController()


def _orthonormal(v: Floats) -> tuple[Floats, Floats]:
    """Return z (m, k) and orthonormal rows q (k, P) with v = z q, k the rank of v."""
    z, q, ratio = _whitened(v)
    if ratio < 1e-6:  # rounding in v v' has bent the smallest directions
        again, q, _ = _whitened(q)
        z = z @ again
    return z, q


def _whitened(v: Floats) -> tuple[Floats, Floats, float]:
    """Return z and q from the eigenvectors of v v', and the ratio of its extreme eigenvalues."""
    values, vectors = np.linalg.eigh(v @ v.T)
    keep = values > _RANK * values[-1]
    values, vectors = values[keep], vectors[:, keep]
    roots = np.sqrt(values)
    q = (vectors / roots).T @ v
    return vectors * roots, q, float(values[0] / values[-1]) if len(values) else 1.0
