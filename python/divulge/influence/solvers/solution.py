"""What a solver returns, and the matrix that it solves with: tensors in float64, on the model's device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

__all__ = ["Matrix", "Solution", "Solved", "Solver", "placed", "residuals"]

Floats = NDArray[np.float64]
_CPU = torch.device("cpu")


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
class Solved:
    """A solution where it was found; attributes as those of `Solution`."""

    vectors: Tensor
    residual: Tensor
    iterations: Tensor
    converged: Tensor

    def solution(self) -> Solution:
        """Return it as arrays."""
        parts = self.vectors, self.residual, self.iterations, self.converged
        return Solution(*(part.cpu().numpy() for part in parts))


@dataclass(frozen=True)
class Matrix:
    """C + damping I, symmetric, with C the curvature and the weight decay.

    Attributes:
        size: P.
        shift: weight decay + damping, part of the products.
        damping: the part of it that may be raised.
        multiply: from vectors (m, P) to C's products without the shift.
        name: of the curvature, for messages.
        device: where vectors are.
    """

    size: int
    shift: float
    damping: float
    multiply: Callable[[Tensor], Tensor]
    name: str = "curvature"
    device: torch.device = _CPU

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return (C + damping) v (m, P) for vectors (m, P)."""
        return self.multiply(vectors).add_(vectors, alpha=self.shift)


class Solver(Protocol):
    """Solves (C + damping) x = b for rows b of a block (m, P)."""

    def solve(self, vectors: Tensor) -> Solved:
        """Return x and how exact it is."""


def placed(array: ArrayLike, device: torch.device = _CPU, dtype: Any = np.float64) -> Tensor:
    """Return an array on a device, in float64 by default; on the processor in its own memory, if possible."""
    return torch.from_numpy(np.require(array, dtype, ["C", "W"])).to(device)


def residuals(matrix: Matrix, x: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return b - A x (m, P), and its norms relative to those of b (m,), 0 for b = 0."""
    r = b - matrix(x)
    norms = b.norm(dim=1)
    return r, r.norm(dim=1) / torch.where(norms > 0, norms, 1.0)
