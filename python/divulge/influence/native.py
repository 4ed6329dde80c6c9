"""Dense chains on the compiled core."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge import _core
from divulge.influence.chain import DenseChain
from divulge.influence.losses import Loss, LossFunction
from divulge.influence.operators import Array, CurvatureName, blocks, output_gradients
from divulge.influence.samples import Samples

__all__ = ["NativeOperator"]

_ROWS = 8192
# Outputs and deltas of all layers are kept from one product to the next where they need less than this.
_CACHE_BYTES = 1 << 29


class NativeOperator:
    """The operator of a dense chain; see `Operator` and `_core.Curvature64`.

    Inputs in the module's precision are read where they lie, memory-mapped ones included; others are
    converted once.
    """

    path = "native"

    def __init__(self, chain: DenseChain, loss: Loss, samples: Samples) -> None:
        self._chain, self._loss, self._samples = chain, loss, samples
        self._weights = [_array(layer.weight) for layer in chain.active_layers]
        self._biases = [_array(layer.bias) for layer in chain.active_layers]
        self.torch_dtype = chain.layers[0].weight.dtype
        self.dtype = np.dtype(np.float32 if self.torch_dtype == torch.float32 else np.float64)
        self._inputs = self._features(samples)
        self._targets = samples.targets.reshape(len(samples), -1).astype(self.dtype)
        self.core = self._core(self._inputs, self._targets)
        self.parameters, self.rows = self.core.parameters, self.core.rows

    @property
    def depth(self) -> int:
        """The number of layers whose parameters are in question."""
        return len(self._weights)

    @property
    def layer_shapes(self) -> list[tuple[int, int, bool]]:
        """(outputs, inputs, whether there is a bias) of each layer."""
        pairs = zip(self._weights, self._biases, strict=True)
        return [(*w.shape, b is not None) for w, b in pairs]

    def products(self, kind: CurvatureName, vectors: Array) -> Array:
        """Return C v (m, P) for vectors (m, P)."""
        cast = vectors.astype(self.dtype, copy=False)
        run = self.core.hessian_products if kind == "hessian" else self.core.gauss_newton_products
        products: Array = run(cast)
        return products

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

    def subset(self, rows: NDArray[np.int64]) -> NativeOperator:
        """Return the operator of some of the samples."""
        part: NativeOperator = object.__new__(NativeOperator)
        part.__dict__.update(self.__dict__)
        part._inputs, part._targets = self._inputs[rows], self._targets[rows]
        part._samples = self._samples.take(rows)
        part.core = self._core(part._inputs, part._targets)
        part.rows = len(rows)
        return part

    def outputs(self) -> Array:
        """Return the outputs (n, K) of the training samples."""
        outputs: Array = self.core.evaluate()[0]
        return outputs

    def linear_outputs(self, vector: Array, rows: slice) -> Array:
        """Return J_i v (rows, K) of a chain of one layer, v (P,) in the place of its parameters."""
        h, d, biased = self.layer_shapes[0]
        outputs: Array = self._inputs[rows] @ vector[: h * d].reshape(h, d).T.astype(self.dtype)
        if biased:
            outputs += vector[h * d :].astype(self.dtype)
        return outputs

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
            matrix = samples.inputs.reshape(len(samples), -1)
            return np.ascontiguousarray(matrix, dtype=self.dtype)
        parts = []
        with torch.no_grad():
            for rows in blocks(len(samples), _ROWS):
                parts.append(self._chain.features(samples.batch(rows, self.torch_dtype)[0]).numpy())
        return np.concatenate(parts)


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.detach().cpu().numpy()
