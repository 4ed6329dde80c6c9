"""A dense ReLU network in NumPy, the twin of the core's `DenseNetwork32` and `DenseNetwork64`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from divulge.arrays import Array, Floats

__all__ = ["DenseNetwork", "NetworkOracle"]


class DenseNetwork:
    """A chain of linear layers with a ReLU between each two and none after the last.

    Args:
        weights: one array (out, in) a layer.
        biases: one array (out,) a layer.
        dtype: precision of all arithmetic, float32 or float64.
    """

    def __init__(
        self, weights: Sequence[ArrayLike], biases: Sequence[ArrayLike], dtype: Any = np.float64
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.weights: list[Floats] = [np.ascontiguousarray(w, self.dtype) for w in weights]
        self.biases: list[Floats] = [np.ascontiguousarray(b, self.dtype) for b in biases]

    @property
    def input_size(self) -> int:
        """The number d of inputs."""
        return int(self.weights[0].shape[1])

    def _hidden(self, x: Floats) -> list[Floats]:
        """Return the outputs of all hidden layers for points x (n, d)."""
        outputs = []
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ w.T + b, 0)
            outputs.append(x)
        return outputs

    def values(self, points: ArrayLike) -> Floats:
        """Return all outputs (n, K) at points (n, d)."""
        x = np.asarray(points, self.dtype)
        top = [x, *self._hidden(x)][-1]
        return np.asarray(top @ self.weights[-1].T + self.biases[-1])

    def values_and_gradients(self, points: ArrayLike, output: int) -> tuple[Floats, Floats]:
        """Return the values (n,) of one output at points (n, d), and its gradients (n, d).

        A ReLU at exactly 0 passes no gradient, as in PyTorch.
        """
        x = np.asarray(points, self.dtype)
        hidden = self._hidden(x)
        row = self.weights[-1][output]
        values = [x, *hidden][-1] @ row + self.biases[-1][output]
        delta: Floats = np.broadcast_to(row, (len(x), len(row)))
        for w, active in zip(self.weights[-2::-1], reversed(hidden), strict=True):
            delta = (delta * (active > 0)) @ w
        return values, np.array(delta)

    def values_and_slopes_on_line(
        self, u: ArrayLike, v: ArrayLike, t: ArrayLike, output: int
    ) -> tuple[Floats, Floats]:
        """Return values and slopes (m,) of one output at the points u + t v, u and v (d,), t (m,)."""
        origin, direction = np.asarray(u, self.dtype), np.asarray(v, self.dtype)
        points = origin + np.asarray(t, self.dtype)[:, None] * direction
        values, gradients = self.values_and_gradients(points, output)
        return values, np.asarray(gradients @ direction)


class NetworkOracle:
    """One output of a `DenseNetwork`, asked for values and gradients; counts the points as `queries`."""

    def __init__(self, network: DenseNetwork, output: int = 0) -> None:
        self.network, self.output = network, output
        self.input_size = network.input_size
        self.float32 = network.dtype == np.float32
        self.queries = 0

    def query(self, points: Array) -> tuple[Floats, Floats]:
        """Return values (n,) and gradients (n, d) at points (n, d)."""
        self.queries += len(points)
        return self.network.values_and_gradients(points, self.output)
