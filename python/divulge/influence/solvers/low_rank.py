"""Inverses from a few eigenpairs: Arnoldi's and Nystroem's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from divulge.influence.solvers.solution import Matrix, Solved, placed, residuals
from divulge.influence.solvers.spectrum import lanczos, not_positive_definite, require_room

__all__ = ["LowRank", "arnoldi", "nystroem"]


@dataclass(frozen=True)
class LowRank:
    """Solves with Q diag(values) Q' in place of C: x = Q ((values + shift)^-1 - 1/shift) Q'b + b / shift.

    Attributes:
        matrix: what is approximated; its shift is above zero.
        values: (k,), not negative.
        vectors: Q' (k, P), orthonormal rows.
        tolerance: on |b - A x| / |b| with the true matrix A.
    """

    matrix: Matrix
    values: Tensor
    vectors: Tensor
    tolerance: float

    def solve(self, vectors: Tensor) -> Solved:
        """Solve for rows b (m, P); the residual is that of the true matrix."""
        shift = self.matrix.shift
        weights = 1 / (self.values + shift) - 1 / shift
        x = vectors / shift + (vectors @ self.vectors.T * weights) @ self.vectors
        _, relative = residuals(self.matrix, x, vectors)
        none = torch.zeros_like(relative, dtype=torch.int64)
        return Solved(x, relative, none, relative <= self.tolerance)

    def quadratic(self, vectors: Tensor) -> Tensor:
        """Return b' A^-1 b of rows b (m, P), with the approximation of A: no product is taken.

        As a sum of squares, c^2 / (values + shift) + |b - Q c|^2 / shift with c = Q'b: nothing cancels where
        the shift is small, and it is never negative.
        """
        shift = self.matrix.shift
        inside = vectors @ self.vectors.T
        outside = vectors - inside @ self.vectors
        return inside**2 @ (1 / (self.values + shift)) + (outside**2).sum(dim=1) / shift


def arnoldi(matrix: Matrix, rank: int, tolerance: float, seed: int) -> LowRank:
    """Keep the `rank` largest eigenpairs of a Krylov space twice that size (Schioppa et al. 2022).

    Raises:
        ValueError: neither damping nor weight decay.
        SingularCurvature: an eigenvalue below minus the shift was met.
    """
    _check_shift(matrix, "arnoldi")
    ritz = lanczos(matrix, 2 * rank, seed)
    require_room(matrix, ritz, seed)
    kept = min(rank, int((ritz.values > 0).sum()))  # the largest come first
    return LowRank(matrix, placed(ritz.values[:kept], matrix.device), ritz.vectors[:kept], tolerance)


def nystroem(matrix: Matrix, rank: int, tolerance: float, seed: int) -> LowRank:
    """Approximate C by C O (O' C O)^+ O' C, O (P, rank) a random orthonormal basis (Frangella et al. 2023).

    Raises:
        ValueError: neither damping nor weight decay.
        SingularCurvature: C restricted to the basis has an eigenvalue below minus the shift.
    """
    _check_shift(matrix, "nystroem")
    rank = min(rank, matrix.size)
    rng = np.random.default_rng(seed)
    drawn = placed(rng.standard_normal((matrix.size, rank)), matrix.device)
    basis = torch.linalg.qr(drawn)[0].T.contiguous()
    product = matrix.multiply(basis)
    core = basis @ product.T
    small, rotation = torch.linalg.eigh((core + core.T) / 2)
    if small[0] + matrix.shift <= 0:
        raise not_positive_definite(matrix, seed)
    keep = small > 1e-10 * max(float(small[-1]), 0.0)
    half = (rotation[:, keep] / small[keep].sqrt()).T @ product  # C ~ half' half
    _, singular, vectors = torch.linalg.svd(half, full_matrices=False)
    return LowRank(matrix, singular**2, vectors, tolerance)


def _check_shift(matrix: Matrix, name: str) -> None:
    if matrix.shift <= 0:
        raise ValueError(
            f"solver={name!r} divides by the damping, expected damping or weight decay above 0, got 0"
        )
