"""Conjugate gradients for a block of vectors that share one Krylov space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from divulge.influence.solvers.solution import Matrix, Solved, residuals
from divulge.influence.solvers.spectrum import not_positive_definite

__all__ = ["ConjugateGradients"]

_RESTARTS = 4
# The recurrence aims a little lower than asked: a restart for the last percent costs two products.
_MARGIN = 0.9
# Directions of a residual block this small beside the largest, squared, are rounding and are dropped.
_RANK = 1e-14


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

    def solve(self, vectors: Tensor) -> Solved:
        """Solve for rows b (m, P).

        Raises:
            SingularCurvature: a direction p with p'(C + damping)p <= 0 was met.
        """
        norms = vectors.norm(dim=1)
        goals, x, r = _MARGIN * self.tolerance * norms, torch.zeros_like(vectors), vectors
        iterations, relative = torch.zeros_like(norms, dtype=torch.int64), (norms > 0).to(norms)
        rows = norms.nonzero()[:, 0]
        for _ in range(_RESTARTS):
            if not len(rows):
                break
            x[rows] += self._descend(r[rows], goals[rows], rows, iterations)
            before = relative[rows]
            r, relative = residuals(self.matrix, x, vectors)
            hopeful = (relative[rows] > self.tolerance) & (relative[rows] <= 0.5 * before)
            rows = rows[hopeful & (iterations[rows] < self.max_iterations)]
        return Solved(x, relative, iterations, relative <= self.tolerance)

    def _descend(self, r: Tensor, goals: Tensor, rows: Tensor, iterations: Tensor) -> Tensor:
        """Return what to add to x (m, P), until each row's recurrence has reached its goal or its limit.

        r = d q for an orthonormal basis q (k, P) of the residuals, whose search directions are s (k, P).
        """
        norms = r.norm(dim=1, keepdim=True)
        d, q = _orthonormal(r / norms)
        d = d * norms
        x, s, taken = torch.zeros_like(r), q.clone(), iterations[rows]
        active = torch.ones(len(r), dtype=torch.bool, device=r.device)
        while len(q) and bool(active.any()):
            products = self.matrix(s)
            inverse = self._inverse(products @ s.T)
            taken += active
            x.addmm_(d @ inverse, s)
            z, q = _orthonormal(q.addmm_(inverse, products, alpha=-1))
            d, s = d @ z, torch.addmm(q, z.T, s, out=products[: len(q)])
            active &= (torch.linalg.vector_norm(d, dim=1) > goals) & (taken < self.max_iterations)
        iterations[rows] = taken
        return x

    def _inverse(self, gram: Tensor) -> Tensor:
        """Return the inverse of s A s' (k, k), where that is positive definite."""
        values, vectors = torch.linalg.eigh((gram + gram.T) / 2)
        if not values[0].item() > 0:
            raise not_positive_definite(self.matrix, self.seed)
        inverse: Tensor = (vectors / values) @ vectors.T
        return inverse


def _orthonormal(v: Tensor) -> tuple[Tensor, Tensor]:
    """Return z (m, k) and orthonormal rows q (k, P) with v = z q, k the rank of v."""
    z, q, ratio = _whitened(v)
    if ratio < 1e-6:  # rounding in v v' has bent the smallest directions
        again, q, _ = _whitened(q)
        z = z @ again
    return z, q


def _whitened(v: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return z and q from the eigenvectors of v v', and the ratio of its extreme eigenvalues."""
    values, vectors = torch.linalg.eigh(v @ v.T)
    least, most = values[0].item(), values[-1].item()
    if least <= _RANK * most:  # the smallest come first
        dropped = int((values <= _RANK * most).sum())
        values, vectors = values[dropped:], vectors[:, dropped:]
        least = values[0].item() if len(values) else most
    roots = values.sqrt()
    q = (vectors / roots).T @ v
    return vectors * roots, q, least / most if most > 0 else 1.0
