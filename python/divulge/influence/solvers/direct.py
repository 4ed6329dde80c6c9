"""The whole matrix and its Cholesky factor."""

from __future__ import annotations

import numpy as np

from divulge import _core
from divulge.influence.solvers.solution import Floats, Matrix, Solution, residuals
from divulge.influence.solvers.spectrum import not_positive_definite

__all__ = ["Direct"]

_LIMIT = 20_000
_BLOCK = 256


class Direct:
    """Solves (C + damping) x = b with the Cholesky factor of the whole matrix, in float64.

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
        self.factor: Floats = dense_matrix(matrix) if dense is None else dense
        self.factor[np.diag_indices(matrix.size)] += matrix.shift
        try:
            _core.cholesky(self.factor)
        except RuntimeError:
            raise not_positive_definite(matrix) from None
        diagonal = np.diag(self.factor)
        if diagonal.min() <= 1e-7 * diagonal.max():  # the factor of a singular matrix, saved by rounding
            raise not_positive_definite(matrix)

    def solve(self, vectors: Floats) -> Solution:
        """Solve for rows b (m, P)."""
        x = _core.cholesky_solve(self.factor, vectors)
        _, relative = residuals(self.matrix, x, vectors)
        return Solution(x, relative, np.zeros(len(vectors), np.int64), relative <= self.tolerance)

    def inverse(self) -> Floats:
        """Return the inverse (P, P), valid in its lower triangle."""
        inverse: Floats = self.factor.copy()
        _core.cholesky_inverse(inverse)
        return inverse


def dense_matrix(matrix: Matrix) -> Floats:
    """Return C (P, P), made symmetric, by products with unit vectors."""
    columns = np.zeros((matrix.size, matrix.size))
    for begin in range(0, matrix.size, _BLOCK):
        stop = min(begin + _BLOCK, matrix.size)
        unit = np.zeros((stop - begin, matrix.size))
        unit[np.arange(stop - begin), np.arange(begin, stop)] = 1.0
        columns[begin:stop] = matrix.multiply(unit)
    return np.asarray((columns + columns.T) / 2)
