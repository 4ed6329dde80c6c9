"""The curvature of a dense chain's mean loss on tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from divulge import _core
from divulge.tensors.device import backend, blas_handle, on_device, place, same_place

__all__ = ["Curvature"]

# Vectors are worked through in tiles, so that the workspace stays below this.
_WORKSPACE_BYTES = 1 << 30


class Curvature:
    """The mean loss of a chain over n samples, as a function of its parameters, around their present values.

    The parameters in a flat vector: the first layer's weight row by row, its bias, the second's weight, ...
    What does not depend on the vectors is computed once, here.

    Args:
        weights: one (out, in) a layer, in float32 or float64.
        biases: one (out,) a layer, or None for a layer without.
        activations: "relu", "tanh" or "identity" after each layer, the last "identity".
        loss: "cross_entropy" (targets (n, 1): the class), "squared" (targets (n, K)) or "smooth_hinge"
            (targets (n, 1): -1 or 1).
        inputs: (n, d).
        targets: in the precision of the inputs. On a device, where looking at them would wait for it, a class
            that there is not gives NaN.
        temperature: of the smooth hinge.

    Raises:
        ValueError: shapes that do not fit, or no such activation or loss.
        RuntimeError: the tensors are on a device, and divulge was built without CUDA.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor | None],
        activations: Sequence[str],
        loss: str,
        inputs: Tensor,
        targets: Tensor,
        temperature: float = 0.0,
    ) -> None:
        given = {f"weight {i}": w for i, w in enumerate(weights)}
        given |= {f"bias {i}": b for i, b in enumerate(biases) if b is not None}
        same_place(inputs=inputs, targets=targets, **given)
        for name, tensor in {"targets": targets, **given}.items():
            if tensor.dtype != inputs.dtype:
                raise ValueError(f"expected {name} in {inputs.dtype} like the inputs, got {tensor.dtype}")
        self.rows, self._inputs = len(inputs), inputs
        self.on_device = on_device(inputs)
        bits = "32" if inputs.dtype == torch.float32 else "64"
        parts = (weights, biases, [inputs, targets])
        if not self.on_device:
            kind: Any = getattr(_core, f"Curvature{bits}")
            w, b, (x, y) = ([None if t is None else t.detach().numpy() for t in part] for part in parts)
            self._core = kind(w, b, list(activations), loss, x, y, temperature)
        else:
            kind = getattr(backend(inputs), f"Curvature{bits}")
            own = ([None if t is None else t.detach().contiguous() for t in part] for part in parts)
            on_w, on_b, (on_x, on_y) = own
            self._core = kind(on_w, on_b, list(activations), loss, temperature, on_x, on_y)
            self._state = inputs.new_empty(self._core.state_numbers)
            self._losses = inputs.new_empty(self.rows)
            self._core.evaluate(self._state, self._losses, *self._place())
        self.parameters: int = self._core.parameters
        self._outputs = len(weights[-1])

    def hessian_products(self, vectors: Tensor) -> Tensor:
        """Return H v (m, P) for vectors (m, P), H the Hessian of the mean loss."""
        return self._products("hessian", vectors)

    def gauss_newton_products(self, vectors: Tensor) -> Tensor:
        """Return J' H_loss J v (m, P) for vectors (m, P), the mean over the samples."""
        return self._products("gauss_newton", vectors)

    def scores(self, vectors: Tensor) -> Tensor:
        """Return grad L(z_i) . v_j (m, n) for vectors (m, P), without forming gradients."""
        self._check(vectors)
        if not self.on_device:
            return torch.from_numpy(self._core.scores(vectors.detach().numpy()))
        out = vectors.new_empty(len(vectors), self.rows)
        for tile in self._tiles(vectors):
            self._core.scores(
                self._state, vectors[tile].contiguous(), out[tile], self._room(vectors[tile]), *self._place()
            )
        return out

    def outputs(self) -> Tensor:
        """Return the chain's outputs (n, K)."""
        if not self.on_device:
            return torch.from_numpy(self._core.evaluate()[0])
        first = self._core.outputs_at
        return (
            self._state[first : first + self.rows * self._outputs].reshape(self.rows, self._outputs).clone()
        )

    def losses(self) -> Tensor:
        """Return the samples' losses (n,)."""
        return self._losses.clone() if self.on_device else torch.from_numpy(self._core.evaluate()[2])

    def input_gradients(self, output: int) -> Tensor:
        """Return the gradients (n, d) of one output by the inputs, on a device.

        Raises:
            ValueError: there is no such output.
        """
        state, out = torch.empty_like(self._state), torch.empty_like(self._inputs)
        self._core.input_gradients(state, output, out, *self._place())
        return out

    def _products(self, kind: str, vectors: Tensor) -> Tensor:
        self._check(vectors)
        if not self.on_device:
            run = getattr(self._core, f"{kind}_products")
            return torch.from_numpy(run(vectors.detach().numpy()))
        out = torch.empty_like(vectors, memory_format=torch.contiguous_format)
        for tile in self._tiles(vectors):
            room = self._room(vectors[tile])
            self._core.products(
                self._state, kind, vectors[tile].contiguous(), out[tile], room, *self._place()
            )
        return out

    def _check(self, vectors: Tensor) -> None:
        same_place(inputs=self._inputs, vectors=vectors)
        if vectors.ndim != 2 or vectors.shape[1] != self.parameters or vectors.dtype != self._inputs.dtype:
            raise ValueError(
                f"expected vectors of shape (m, {self.parameters}) in {self._inputs.dtype}, got "
                f"{tuple(vectors.shape)} in {vectors.dtype}"
            )

    def _tiles(self, vectors: Tensor) -> list[slice]:
        one = max(1, self._core.workspace_numbers(1) * vectors.element_size())
        step = max(1, _WORKSPACE_BYTES // one)
        return [slice(i, min(i + step, len(vectors))) for i in range(0, len(vectors), step)]

    def _room(self, vectors: Tensor) -> Tensor:
        return vectors.new_empty(self._core.workspace_numbers(len(vectors)))

    def _place(self) -> tuple[int, int, int]:
        return blas_handle(self._inputs), *place(self._inputs)
