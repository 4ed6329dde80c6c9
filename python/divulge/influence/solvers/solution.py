"""What a solver returns, and the matrix that it solves with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Matrix", "Solution", "Solver", "residuals"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Solution:
    """Inverse products, one a row, and how exact they are.

    Attributes:
        vectors: x (m, P) with (C + damping) x = b.
        residual: (m,), |b - (C + damping) x| / |b|, computed from x by a further product.
        iterations: (m,), products that a row took part in; 0 for solvers that factorised before.
        converged: (m,), whether the residual is at most the tolerance that was asked for.
    """

    vectors: NDArray[Any]
    residual: Floats
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]


@dataclass(frozen=True)
class Matrix:
    """C + damping I, symmetric, with C the curvature and the weight decay.

    Attributes:
        size: P.
        shift: weight decay + damping, part of the products.
        damping: the part of it that may be raised.
        multiply: from vectors (m, P) to C's products without the shift.
        name: of the curvature, for messages.
    """

    size: int
    shift: float
    damping: float
    multiply: Callable[[Floats], Floats]
    name: str = "curvature"

    def __call__(self, vectors: Floats) -> Floats:
        """Return (C + damping) v (m, P) for vectors (m, P)."""
        products = self.multiply(vectors)
        products += self.shift * vectors
        return products


class Solver(Protocol):
    """Solves (C + damping) x = b for rows b of a block (m, P)."""

    def solve(self, vectors: Floats) -> Solution:
        """Return x and how exact it is."""


def residuals(matrix: Matrix, x: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return b - A x (m, P), and its norms relative to those of b (m,), 0 for b = 0."""
    r = b - matrix(x)
    norms = np.linalg.norm(b, axis=1)
    return r, np.linalg.norm(r, axis=1) / np.where(norms > 0, norms, 1.0)
