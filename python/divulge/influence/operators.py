"""The curvature of a mean training loss as a linear operator: what every solver is written against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.influence.cross_entropy import CrossEntropy
from divulge.influence.modes import gradients_on
from divulge.influence.per_sample import LossFunction, applied, check_values
from divulge.influence.samples import Samples

__all__ = [
    "Array",
    "CurvatureName",
    "Factors",
    "Labels",
    "LayerPlace",
    "Operator",
    "blocks",
    "output_gradients",
]

Array = NDArray[np.floating[Any]]
CurvatureName = Literal["hessian", "gauss_newton"]


# From outputs (k, ..., K) of samples first, first + 1, ... to cotangents of S labels: see `label_cotangents`.
Labels = Callable[[Array, int], Array]
# Of each layer: the mean of (a, 1)(a, 1)' (d + 1, d + 1), that of the sum over labels of delta delta' (h, h).
Factors = list[tuple[NDArray[np.float64], NDArray[np.float64]]]


class LayerPlace(NamedTuple):
    """Where a layer's weight (outputs, inputs) and bias begin in the flat vector of parameters.

    Of a transposed one the weight lies there as (inputs, outputs).
    """

    outputs: int
    inputs: int
    weight: int
    bias: int | None
    transposed: bool = False


class Operator(Protocol):
    """A module's mean loss over n samples as a function of P parameters, around their present values.

    Attributes:
        parameters: P.
        rows: n.
        dtype: the module's precision.
        path: "native" or "torch", what computes.
        device: where the vectors of products are.
    """

    parameters: int
    rows: int
    dtype: np.dtype[Any]
    path: str
    device: torch.device

    def products(self, kind: CurvatureName, vectors: Tensor) -> Tensor:
        """Return C v (m, P) for vectors (m, P) on the device, C the mean over the samples of the curvature.

        They are those of the module's precision, in float64.
        """

    def scores(self, vectors: Array) -> Array:
        """Return grad L(z_i) . v_j (m, n) for vectors (m, P), without forming gradients."""

    def gradients(self, samples: Samples, function: LossFunction) -> Array:
        """Return the gradients (k, P) of a function of (outputs, targets) at k samples."""

    def loss_gradients(self, rows: NDArray[np.int64]) -> Array:
        """Return the gradients (k, P) of the losses of some of the samples."""

    def subset(self, rows: NDArray[np.int64]) -> Operator:
        """Return the operator of some of the samples."""

    @property
    def layers(self) -> list[LayerPlace]:
        """The layers that K-FAC factors.

        Raises:
            ValueError: not all parameters in question are those of such layers.
        """

    def kronecker_factors(self, labels: Labels) -> Factors:
        """Return K-FAC's factors of each layer, means over the samples."""

    def kronecker_eigenvalues(
        self, labels: Labels, inner: Sequence[Array], outer: Sequence[Array]
    ) -> list[NDArray[np.float64]]:
        """Return the mean squares (h, d + 1) of each layer's gradients in a basis."""

    def kronecker_quadratic(
        self, inner: Sequence[Array], outer: Sequence[Array], weights: Sequence[Array]
    ) -> NDArray[np.float64]:
        """Return for each sample (n,) the weighted sum of squares of its loss's gradient in a basis."""


def blocks(total: int, size: int) -> list[slice]:
    """Split range(total) into slices of at most `size`."""
    return [slice(begin, min(begin + size, total)) for begin in range(0, total, size)]


@gradients_on()
def output_gradients(function: LossFunction, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the derivatives by the outputs (n, ..., K) of a function of (outputs, targets), of their shape.

    Raises:
        ValueError: the function does not return n numbers, one of each sample alone.
    """
    if isinstance(function, CrossEntropy):
        return function.slope(outputs.detach(), targets)
    z = outputs.detach().clone().requires_grad_()
    values = applied(function, z, targets)
    if len(z):
        check_values(function, z, targets, values)
    (gradient,) = torch.autograd.grad(values.sum(), z, allow_unused=True, materialize_grads=True)
    return gradient.detach()
