"""A network's outputs by its parameters, every unit's state held: products, no matrix.

The parameters are a list of matrices, [rows | offsets] of every hidden layer and last [output weights |
affine part], the constant alone where the network has no linear part beside its last hidden layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.network.record import homogeneous

Matrices = list[Array]


def parameters(model: DeepModel, slope: bool) -> Matrices:
    """Return copies of the parameters; `slope` says whether the linear part is among them."""
    inner = [np.column_stack([layer.rows, layer.offsets]) for layer in model.prefix.layers]
    base = model.layer.base if slope else model.layer.base[:, -1:]
    return [*inner, model.layer.rows.copy(), np.column_stack([model.layer.weights, base])]


def with_parameters(model: DeepModel, matrices: Matrices) -> DeepModel:
    """Return the network with other parameters."""
    *inner, rows, outputs = matrices
    base = model.layer.base.copy()
    free = outputs.shape[1] - len(rows)
    base[:, -free:] = outputs[:, len(rows) :]
    prefix = Prefix(model.prefix.input_size, [Dense(m[:, :-1], m[:, -1]) for m in inner])
    return DeepModel(prefix, Layer(rows, outputs[:, : len(rows)], base))


@dataclass(frozen=True)
class Tangents:
    """Derivatives of one output at some points.

    Attributes:
        model: the network.
        output: which output.
        inputs: what every hidden layer is fed with a 1 appended, and last what the output is, (n, .) each.
        states: which units of every hidden layer are on, 0 or 1, (n, units) each.
    """

    model: DeepModel
    output: int
    inputs: list[Array]
    states: list[Array]

    @classmethod
    def at(cls, model: DeepModel, points: Array, output: int, slope: bool) -> Tangents:
        """Take derivatives at points (n, d)."""
        inputs, states = [homogeneous(points)], []
        for matrix in parameters(model, slope)[:-1]:
            levels = inputs[-1] @ matrix.T
            states.append((levels > 0).astype(float))
            inputs.append(homogeneous(np.maximum(levels, 0.0)))
        beside = inputs[-2] if slope else np.ones((len(points), 1))
        inputs[-1] = np.column_stack([inputs[-1][:, :-1], beside])
        return cls(model, output, inputs, states)

    def forward(self, step: Matrices) -> Array:
        """Return the output's change for a change of the parameters, shape (n,)."""
        layers = self.model.whole().layers
        moved = before = np.zeros((len(self.inputs[0]), self.model.prefix.input_size))
        for layer, change, fed, on in zip(layers, step, self.inputs, self.states, strict=False):
            before, moved = moved, on * (fed @ change.T + moved @ layer.rows.T)
        out = moved @ self.model.layer.weights[self.output]
        out += before @ self.model.layer.base[self.output, :-1]
        return np.asarray(out + self.inputs[-1] @ step[-1][self.output])

    def back(self, upwards: Array) -> list[Array]:
        """Return for each unit, layer by layer, the output's derivative by its level times upwards (n,)."""
        layers = self.model.whole().layers
        deltas = [upwards[:, None] * self.model.layer.weights[self.output] * self.states[-1]]
        beside = upwards[:, None] * self.model.layer.base[self.output, :-1]
        for layer, on in zip(layers[:0:-1], self.states[-2::-1], strict=True):
            deltas.append(on * (deltas[-1] @ layer.rows + beside))
            beside = np.zeros(1)
        return deltas[::-1]

    def backward(self, upwards: Array) -> Matrices:
        """Return the derivative of upwards . outputs, upwards of shape (n,), by all parameters."""
        inner = [delta.T @ fed for delta, fed in zip(self.back(upwards), self.inputs, strict=False)]
        last = np.zeros((len(self.model.layer.weights), self.inputs[-1].shape[1]))
        last[self.output] = upwards @ self.inputs[-1]
        return [*inner, last]

    def squares(self, weights: Array) -> list[Array]:
        """Return the weighted Gauss-Newton block of every unit and output, (units, m, m) for each matrix."""
        blocks = []
        for delta, fed in zip(self.back(weights), self.inputs, strict=False):
            blocks.append(np.stack([square(fed * column[:, None]) for column in delta.T]))
        size = self.inputs[-1].shape[1]
        last = np.zeros((len(self.model.layer.weights), size, size))
        last[self.output] = square(self.inputs[-1] * weights[:, None])
        return [*blocks, last]

    def joint_square(self, weights: Array, first: int) -> Array:
        """Return the weighted Gauss-Newton block of all parameters from one matrix on, in a row."""
        inner = [
            delta[:, :, None] * fed[:, None, :]
            for delta, fed in zip(self.back(weights)[first:], self.inputs[first:], strict=False)
        ]
        n, size, outputs = len(weights), self.inputs[-1].shape[1], len(self.model.layer.weights)
        rows = np.concatenate([part.reshape(n, -1) for part in inner] or [np.empty((n, 0))], axis=1)
        own = slice(self.output * size, (self.output + 1) * size)
        last = np.zeros((n, outputs * size))
        last[:, own] = self.inputs[-1] * weights[:, None]
        return square(np.concatenate([rows, last], axis=1))


def square(matrix: Array) -> Array:
    """Return matrix^T matrix."""
    return np.asarray(matrix.T @ matrix)
