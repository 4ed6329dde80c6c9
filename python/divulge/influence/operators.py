"""The curvature of a mean training loss as a linear operator: what every solver is written against."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from divulge.influence.losses import LossFunction
from divulge.influence.samples import Samples

__all__ = ["Array", "CurvatureName", "Operator", "blocks", "output_gradients"]

Array = NDArray[np.floating[Any]]
CurvatureName = Literal["hessian", "gauss_newton"]


class Operator(Protocol):
    """A module's mean loss over n samples as a function of P parameters, around their present values.

    Attributes:
        parameters: P.
        rows: n.
        dtype: the module's precision.
        path: "native" or "torch", what computes.
    """

    parameters: int
    rows: int
    dtype: np.dtype[Any]
    path: str

    def products(self, kind: CurvatureName, vectors: Array) -> Array:
        """Return C v (m, P) for vectors (m, P), C the mean over the samples of the curvature."""

    def scores(self, vectors: Array) -> Array:
        """Return grad L(z_i) . v_j (m, n) for vectors (m, P), without forming gradients."""

    def gradients(self, samples: Samples, function: LossFunction) -> Array:
        """Return the gradients (k, P) of a function of (outputs, targets) at k samples."""

    def subset(self, rows: NDArray[np.int64]) -> Operator:
        """Return the operator of some of the samples."""


def blocks(total: int, size: int) -> list[slice]:
    """Split range(total) into slices of at most `size`."""
    return [slice(begin, min(begin + size, total)) for begin in range(0, total, size)]


def output_gradients(function: LossFunction, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the derivatives (n, K) by the outputs (n, K) of a function of (outputs, targets).

    Raises:
        ValueError: the function does not return n numbers.
    """
    z = outputs.detach().requires_grad_()
    values = function(z, targets)
    if values.shape != (len(z),):
        raise ValueError(
            f"expected a function that returns {len(z)} numbers, got shape {tuple(values.shape)}"
        )
    (gradient,) = torch.autograd.grad(values.sum(), z, allow_unused=True, materialize_grads=True)
    return gradient.detach()
