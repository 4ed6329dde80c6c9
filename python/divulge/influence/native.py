"""Dense chains on the compiled core."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge import _core
from divulge.influence.chain import DenseChain
from divulge.influence.losses import Loss, LossFunction
from divulge.influence.operators import (
    Array,
    CurvatureName,
    Factors,
    Labels,
    LayerPlace,
    blocks,
    output_gradients,
)
from divulge.influence.samples import Samples

__all__ = ["NativeOperator"]

_ROWS = 8192
# Outputs and deltas of all layers are kept from one product to the next where they need less than this.
_CACHE_BYTES = 1 << 29


class NativeOperator:
    """The operator of a dense chain; see `Operator` and `_core.Curvature64`.

    Inputs in the module's precision are read where they lie, memory-mapped ones included; others are
    converted once.

    Args:
        chain: the module.
        loss: of the samples.
        samples: the training data, or a part of it.
        first: the number of its first sample, where it is a part.
    """

    path, device = "native", torch.device("cpu")

    def __init__(self, chain: DenseChain, loss: Loss, samples: Samples, first: int = 0) -> None:
        self._chain, self._loss, self._samples, self.first = chain, loss, samples, first
        self._weights = [_array(layer.weight) for layer in chain.active_layers]
        self._biases = [_array(layer.bias) for layer in chain.active_layers]
        self.torch_dtype = chain.layers[0].weight.dtype
        self.dtype = np.dtype(np.float32 if self.torch_dtype == torch.float32 else np.float64)
        self._inputs = self._features(samples)
        targets = samples.targets.reshape(len(samples), prod(samples.targets.shape[1:]))
        self._targets = targets.astype(self.dtype)
        self.core = self._core(self._inputs, self._targets)
        self.parameters, self.rows = self.core.parameters, self.core.rows

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "core"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.core = self._core(self._inputs, self._targets)

    @property
    def depth(self) -> int:
        """The number of layers whose parameters are in question."""
        return len(self._weights)

    @property
    def layers(self) -> list[LayerPlace]:
        """The layers, and where their parameters begin."""
        places, at = [], 0
        for weight, bias in zip(self._weights, self._biases, strict=True):
            h, d = weight.shape
            places.append(LayerPlace(h, d, at, None if bias is None else at + h * d))
            at += h * d + (0 if bias is None else h)
        return places

    def products(self, kind: CurvatureName, vectors: Tensor) -> Tensor:
        """Return C v (m, P) for vectors (m, P)."""
        cast = vectors.to(self.torch_dtype).numpy()
        run = self.core.hessian_products if kind == "hessian" else self.core.gauss_newton_products
        return torch.from_numpy(run(cast)).double()

    def scores(self, vectors: Array) -> Array:
        """Return grad L(z_i) . v_j (m, n) for vectors (m, P)."""
        scores: Array = self.core.scores(vectors.astype(self.dtype, copy=False))
        return scores

    def gradients(self, samples: Samples, function: LossFunction) -> Array:
        """Return the gradients (k, P) of a function of (outputs, targets) at k samples."""
        features = self._features(samples)
        # Any targets will do where only outputs and gradients of the outputs are asked for.
        core = self._core(features, np.zeros((len(samples), len(self._weights[-1])), self.dtype), "squared")
        outputs = torch.from_numpy(core.evaluate()[0])
        targets = samples.batch(slice(None), self.torch_dtype)[1]
        cotangents = output_gradients(function, outputs, targets).numpy()
        gradients: Array = core.sample_gradients(cotangents)
        return gradients

    def loss_gradients(self, rows: NDArray[np.int64]) -> Array:
        """Return the gradients (k, P) of the losses of some of the samples."""
        return self.gradients(self._samples.take(rows), self._loss.function)

    def subset(self, rows: NDArray[np.int64]) -> NativeOperator:
        """Return the operator of some of the samples."""
        part: NativeOperator = object.__new__(NativeOperator)
        part.__dict__.update(self.__dict__)
        part._inputs, part._targets = self._inputs[rows], self._targets[rows]
        part._samples = self._samples.take(rows)
        part.core = self._core(part._inputs, part._targets)
        part.rows = len(rows)
        return part

    def kronecker_factors(self, labels: Labels) -> Factors:
        """Return K-FAC's factors of each layer."""
        factors: Factors = self.core.kronecker_factors(labels(self.core.evaluate()[0], self.first))
        return factors

    def kronecker_eigenvalues(
        self, labels: Labels, inner: Sequence[Array], outer: Sequence[Array]
    ) -> list[NDArray[np.float64]]:
        """Return the mean squares (h, d + 1) of each layer's gradients in a basis."""
        cotangents = labels(self.core.evaluate()[0], self.first)
        values: list[NDArray[np.float64]] = self.core.kronecker_eigenvalues(
            cotangents, self._cast(inner), self._cast(outer)
        )
        return values

    def kronecker_quadratic(
        self, inner: Sequence[Array], outer: Sequence[Array], weights: Sequence[Array]
    ) -> NDArray[np.float64]:
        """Return the weighted squares (n,) of the losses' gradients in a basis."""
        slopes = self.core.evaluate()[1]
        squares: NDArray[np.float64] = self.core.kronecker_quadratic(
            slopes, self._cast(inner), self._cast(outer), self._cast(weights)
        )
        return squares

    def linear_outputs(self, vector: Array, rows: slice) -> Array:
        """Return J_i v (rows, K) of a chain of one layer, v (P,) in the place of its parameters."""
        h, d, _, biased, _ = self.layers[0]
        outputs: Array = self._inputs[rows] @ vector[: h * d].reshape(h, d).T.astype(self.dtype)
        if biased is not None:
            outputs += vector[h * d :].astype(self.dtype)
        return outputs

    def _cast(self, arrays: Sequence[Array]) -> list[Array]:
        return [np.ascontiguousarray(a, self.dtype) for a in arrays]

    def _core(self, inputs: Array, targets: Array, loss: str | None = None) -> Any:
        """Return the core's curvature of some samples."""
        activations = self._chain.active_activations
        numbers = sum(2 * len(w) for w in self._weights) * len(inputs)
        kind = _core.Curvature32 if self.dtype == np.float32 else _core.Curvature64
        return kind(
            self._weights,
            self._biases,
            activations,
            loss or self._loss.name,
            inputs,
            targets,
            self._loss.temperature,
            numbers * self.dtype.itemsize <= _CACHE_BYTES,
        )

    def _features(self, samples: Samples) -> Array:
        """Return what the first layer in question sees, (n, d)."""
        if self._chain.frozen == 0:
            matrix = samples.inputs.reshape(len(samples), prod(samples.shape))
            return np.ascontiguousarray(matrix, dtype=self.dtype)
        parts = [np.zeros((0, self._chain.active_layers[0].in_features), self.dtype)]
        with torch.no_grad():
            for rows in blocks(len(samples), _ROWS):
                parts.append(self._chain.features(samples.batch(rows, self.torch_dtype)[0]).numpy())
        return np.concatenate(parts)


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.detach().cpu().numpy()
