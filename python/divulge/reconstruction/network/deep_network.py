"""A network of many layers as the attack knows it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from divulge.arrays import Array
from divulge.reconstruction.network.hidden_layer import Layer, WithInput, linear
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import TINY


@dataclass
class DeepModel:
    """All hidden layers but the last as a prefix, and the last one, with the outputs, over its features."""

    prefix: Prefix
    layer: Layer

    @property
    def hidden_sizes(self) -> list[int]:
        """Units of every hidden layer."""
        return [*(layer.units for layer in self.prefix.layers), len(self.layer)]

    def pruned(self, tolerance: float) -> DeepModel:
        """Leave out units that nothing after them uses: a deeper unit may pass for one of an earlier layer.

        Args:
            tolerance: largest weight, relative to the largest of all that follow the layer, that counts as 0.
        """
        layer, layers = self.layer, list(self.prefix.layers)
        used = used_columns(layer.weights, tolerance)
        layer = Layer(layer.rows[used], layer.weights[:, used], layer.base)
        for depth in reversed(range(len(layers))):
            last = depth == len(layers) - 1
            after = np.concatenate([layer.rows, layer.base])[:, :-1] if last else layers[depth + 1].rows
            used = used_columns(after, tolerance)
            layers[depth] = layers[depth].taken(used)
            if last:
                kept = np.append(used, True)
                layer = Layer(layer.rows[:, kept], layer.weights, layer.base[:, kept])
            else:
                layers[depth + 1] = replace(layers[depth + 1], rows=layers[depth + 1].rows[:, used])
        return DeepModel(Prefix(self.prefix.input_size, layers), layer)

    def without_slopes(self) -> DeepModel:
        """Return the same function, units of a slope below 0 as ReLUs beside their input.

        s z + (1 - s) max(z, 0) is the unit's output, z = w x + b; what reads it reads both parts.
        """
        layers, last = list(self.prefix.layers), self.layer
        for depth, layer in enumerate(layers):
            if layer.slopes is None:
                continue
            units, size = layer.rows.shape
            change = np.zeros((units + 1, units + size + 1))
            change[:-1, :units] = np.diag(1 - layer.slopes)
            change[:-1, units:-1] = layer.slopes[:, None] * layer.rows
            change[:-1, -1], change[-1, -1] = layer.slopes * layer.offsets, 1.0
            layers[depth] = Dense(layer.rows, layer.offsets).with_passage()
            if depth == len(layers) - 1:
                last = Layer(last.rows @ change, last.weights, last.base @ change)
            else:
                layers[depth + 1] = layers[depth + 1].reading(change)
        return DeepModel(Prefix(self.prefix.input_size, layers), last)

    def whole(self) -> Prefix:
        """Return all hidden layers as a prefix."""
        return self.prefix.grown(Dense(self.layer.rows[:, :-1], self.layer.rows[:, -1]))

    def pieces(self, points: Array, output: int) -> Array:
        """Affine pieces of one output at points (n, d): shape (n, d + 1)."""
        features = self.prefix.features(points)
        ends = np.concatenate([features, np.ones((len(points), 1))], axis=1)
        rows = self.layer.pieces(ends, output)
        gradients = self.prefix.gradients(points, rows[:, :-1])
        values = np.einsum("np,np->n", rows, ends)
        return np.column_stack([gradients, values - np.einsum("nd,nd->n", gradients, points)])

    def residual(self, points: Array, pieces: Array, output: int) -> float:
        """Largest error of gradients and values at points, relative to the largest of each."""
        if not len(points):
            return 0.0
        wrong = self.pieces(points, output) - pieces
        ends = np.concatenate([points, np.ones((len(points), 1))], axis=1)
        values, off = (np.einsum("nd,nd->n", x, ends) for x in (pieces, wrong))
        slope = np.linalg.norm(pieces[:, :-1], axis=1).max()
        in_slope = np.linalg.norm(wrong[:, :-1], axis=1).max() / max(slope, TINY)
        return float(max(in_slope, np.abs(off).max() / max(np.ptp(values), np.abs(values).max(), TINY)))

    def module(self, dtype: torch.dtype, with_slope: bool) -> nn.Sequential:
        """Build the network: Linear and ReLU by turns."""
        model, inner = self.with_whole_inputs(), list[nn.Module]()
        for layer in model.prefix.layers:
            units = layer.units
            block = [linear(layer.rows[:units], layer.offsets[:units], dtype), nn.ReLU()]
            inner += [WithInput(nn.Sequential(*block))] if layer.passage else block
        return nn.Sequential(*inner, *model.layer.module(dtype, with_slope))

    def with_whole_inputs(self) -> DeepModel:
        """Return the same function, each layer's whole input handed on as it is where some of it is."""
        layers, last = list(self.prefix.layers), self.layer
        for depth, layer in enumerate(layers):
            if not layer.passage:
                continue
            units, size = layer.units, layer.rows.shape[1]
            change = np.zeros((len(layer) + 1, units + size + 1))
            change[:units, :units], change[-1, -1] = np.eye(units), 1.0
            change[units:-1, units:-1], change[units:-1, -1] = layer.rows[units:], layer.offsets[units:]
            layers[depth] = Dense(layer.rows[:units], layer.offsets[:units]).with_passage()
            if depth == len(layers) - 1:
                last = Layer(last.rows @ change, last.weights, last.base @ change)
            else:
                layers[depth + 1] = layers[depth + 1].reading(change)
        return DeepModel(Prefix(self.prefix.input_size, layers), last)


def used_columns(weights: Array, tolerance: float) -> NDArray[np.bool_]:
    """Whether each column of weights has an entry that is not 0."""
    size = np.abs(weights).max(axis=0, initial=0.0)
    return np.asarray(size > tolerance * size.max(initial=0.0))
