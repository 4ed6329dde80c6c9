"""The whole matrix and its Cholesky factor."""

from __future__ import annotations

import torch
from torch import Tensor

from divulge import _core
from divulge.influence.solvers.solution import Floats, Matrix, Solved, residuals
from divulge.influence.solvers.spectrum import not_positive_definite

__all__ = ["Direct"]

_LIMIT = 20_000
_BLOCK = 256


class Direct:
    """Solves (C + damping) x = b with the Cholesky factor of the whole matrix, in float64.

    The compiled core factorises where the matrix is in the processor's memory, torch on a device.

    Args:
        matrix: what is solved with.
        tolerance: on |b - A x| / |b|.
        dense: C (P, P) where it is at hand, overwritten; by default P products make it.

    Raises:
        ValueError: P is above 20,000 (3.2 GB).
        SingularCurvature: the matrix is not positive definite.
    """

    def __init__(self, matrix: Matrix, tolerance: float, dense: Floats | None = None) -> None:
        if matrix.size > _LIMIT:
            raise ValueError(
                f"the direct solver holds a {matrix.size} by {matrix.size} matrix; expected at most {_LIMIT} "
                "parameters, use solver='cg'"
            )
        self.matrix, self.tolerance = matrix, tolerance
        self.factor = dense_matrix(matrix) if dense is None else torch.from_numpy(dense)
        diagonal = self.factor.diagonal()
        diagonal += matrix.shift
        if not _factorised(self.factor):
            raise not_positive_definite(matrix)
        if diagonal.min() <= 1e-7 * diagonal.max():  # the factor of a singular matrix, saved by rounding
            raise not_positive_definite(matrix)

    def solve(self, vectors: Tensor) -> Solved:
        """Solve for rows b (m, P)."""
        if _is_host(self.factor):
            x = torch.from_numpy(_core.cholesky_solve(self.factor.numpy(), vectors.numpy()))
        else:
            x = torch.cholesky_solve(vectors.T, self.factor).T.contiguous()
        _, relative = residuals(self.matrix, x, vectors)
        none = torch.zeros_like(relative, dtype=torch.int64)
        return Solved(x, relative, none, relative <= self.tolerance)

    def inverse(self) -> Floats:
        """Return the inverse (P, P), valid in its lower triangle, of a matrix in the processor's memory."""
        inverse: Floats = self.factor.numpy().copy()
        _core.cholesky_inverse(inverse)
        return inverse


def _is_host(matrix: Tensor) -> bool:
    """Whether the compiled core reads it."""
    return matrix.device.type == "cpu"


def _factorised(matrix: Tensor) -> bool:
    """Put the Cholesky factor in a matrix's place; False where it is not positive definite."""
    if not _is_host(matrix):
        factor, failed = torch.linalg.cholesky_ex(matrix)
        matrix.copy_(factor)
        return not failed
    try:
        _core.cholesky(matrix.numpy())
    except RuntimeError:
        return False
    return True


def dense_matrix(matrix: Matrix) -> Tensor:
    """Return C (P, P), made symmetric, by products with unit vectors."""
    columns = torch.zeros(matrix.size, matrix.size, dtype=torch.float64, device=matrix.device)
    for begin in range(0, matrix.size, _BLOCK):
        stop = min(begin + _BLOCK, matrix.size)
        unit = columns.new_zeros(stop - begin, matrix.size)
        unit[:, begin:stop].fill_diagonal_(1.0)
        columns[begin:stop] = matrix.multiply(unit)
    return (columns + columns.T) / 2
