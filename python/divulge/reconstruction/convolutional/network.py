"""The whole network: known layers, and the weights of the outputs; as numbers and as a module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.network.hidden_layer import linear

# where ReLU6 is cut off, and by how much channels are scaled that are never: 6 is as far off then as rounding
CUT_OFF, NEVER = 6.0, 2.0**-40


@dataclass(frozen=True)
class ConvNetwork:
    """f = weights . (features, 1).

    Attributes:
        prefix: the layers, all sides known.
        weights: shape (outputs, q + 1), the bias last.
    """

    prefix: Prefix
    weights: Array

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        """Units of every layer."""
        return tuple(self.prefix.sizes())

    def answers(self, points: Array, output: int) -> tuple[Array, Array]:
        """Values (n,) and gradients (n, d) of an output at points (n, d)."""
        x = self.prefix.images(points).requires_grad_()
        weights = torch.from_numpy(np.ascontiguousarray(self.weights[output]))
        with torch.enable_grad():
            features: Tensor = self.prefix.features(x, len(self.prefix.layers)).flatten(1)
            values = features @ weights[:-1] + weights[-1]
            (gradient,) = torch.autograd.grad(values.sum(), x)
        return values.detach().numpy(), gradient.reshape(len(points), -1).numpy()

    def in_order(self, places: Index | Sequence[int], size: int) -> ConvNetwork:
        """Put outputs in their places among so many; the others are 0."""
        weights = np.zeros((size, self.weights.shape[1]))
        weights[list(places)] = self.weights
        return ConvNetwork(self.prefix, weights)

    @property
    def endless(self) -> list[int]:
        """How many channels of each layer were not seen to be cut off above; none where no unit was."""
        layers = self.prefix.layers
        bounded = any(layer.ends is not None for layer in layers)
        return [int((~layer.ended).sum()) * bounded for layer in layers]

    def module(self, dtype: torch.dtype) -> nn.Sequential:
        """Build the network; inputs of shape (n, d) or (n, C, H, W)."""
        parts: list[nn.Module] = [nn.Flatten(), nn.Unflatten(1, self.prefix.shape)]
        flat = False
        layers, weights = scaled(self.prefix.layers, self.weights)
        for depth, layer in enumerate(layers):
            dense = depth > 0 and layer.covers(self.prefix.map_shape(depth))
            if dense and not flat:
                parts.append(nn.Flatten())
                flat = True
            parts += dense_parts(layer, dtype) if dense else conv_parts(layer, dtype)
        if not flat:
            parts.append(nn.Flatten())
        return nn.Sequential(*parts, linear(weights[:, :-1], weights[:, -1], dtype))


def activation(layer: ConvLayer) -> nn.Module:
    """ReLU, ReLU6 or LeakyReLU."""
    if layer.ends is not None:
        return nn.ReLU6()
    return nn.LeakyReLU(layer.slope) if layer.slope else nn.ReLU()


def turned(layer: ConvLayer) -> tuple[Array, Array]:
    """Filters and offsets with active sides up."""
    assert layer.signs is not None
    down = np.where(layer.signs < 0, layer.shifts, 0.0)
    return layer.filters * layer.signs[:, None, None, None], layer.offsets * layer.signs + down


def scaled(layers: Sequence[ConvLayer], weights: Array) -> tuple[list[ConvLayer], Array]:
    """Scale channels that are cut off above so that they are at 6, those that are not, far below it.

    Args:
        layers: as they are known.
        weights: of the outputs, shape (outputs, q + 1).

    Returns:
        Layers and weights of the same network.
    """
    found, before = [], np.ones(1)
    for layer in layers:
        layer = replace(layer, filters=layer.filters / before[:, None, None])
        before = np.ones(len(layer))
        if layer.ends is not None:
            before = np.where(layer.ended, CUT_OFF / layer.ends, NEVER)
            (filters, offsets), ends = turned(layer), np.full(len(layer), CUT_OFF)
            filters, offsets = filters * before[:, None, None, None], offsets * before
            layer = replace(layer, filters=filters, offsets=offsets, signs=np.ones(len(layer)), ends=ends)
        found.append(layer)
    each = before.repeat((weights.shape[1] - 1) // len(before))
    return found, np.column_stack([weights[:, :-1] / each, weights[:, -1]])


def dense_parts(layer: ConvLayer, dtype: torch.dtype) -> list[nn.Module]:
    """A layer whose filters cover the map, as a dense one."""
    filters, offsets = turned(layer)
    return [linear(filters.reshape(len(filters), -1), offsets, dtype), activation(layer)]


def conv_parts(layer: ConvLayer, dtype: torch.dtype) -> list[nn.Module]:
    """A convolution, its activation, its pooling."""
    filters, offsets = turned(layer)
    channels, inputs = filters.shape[:2]
    conv = nn.Conv2d(inputs, channels, layer.kernel, layer.stride, layer.padding, dtype=dtype)
    with torch.no_grad():
        conv.weight.copy_(torch.from_numpy(np.ascontiguousarray(filters)))
        assert conv.bias is not None
        conv.bias.copy_(torch.from_numpy(np.ascontiguousarray(offsets)))
    parts: list[nn.Module] = [conv, activation(layer)]
    if layer.pool is not None:
        kind = nn.AvgPool2d if layer.pool.kind == "avg" else nn.MaxPool2d
        parts.append(kind(layer.pool.size, layer.pool.stride))
    return parts
