"""A network of many layers as the attack knows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from divulge.arrays import Array
from divulge.reconstruction.network.hidden_layer import Layer, linear
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
        return [*(len(layer) for layer in self.prefix.layers), len(self.layer)]

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
            layers[depth] = Dense(layers[depth].rows[used], layers[depth].offsets[used])
            if last:
                kept = np.append(used, True)
                layer = Layer(layer.rows[:, kept], layer.weights, layer.base[:, kept])
            else:
                layers[depth + 1] = Dense(layers[depth + 1].rows[:, used], layers[depth + 1].offsets)
        return DeepModel(Prefix(self.prefix.input_size, layers), layer)

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
        inner: list[nn.Module] = []
        for layer in self.prefix.layers:
            inner += [linear(layer.rows, layer.offsets, dtype), nn.ReLU()]
        return nn.Sequential(*inner, *self.layer.module(dtype, with_slope))


def used_columns(weights: Array, tolerance: float) -> NDArray[np.bool_]:
    """Whether each column of weights has an entry that is not 0."""
    size = np.abs(weights).max(axis=0, initial=0.0)
    return np.asarray(size > tolerance * size.max(initial=0.0))
