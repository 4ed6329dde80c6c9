"""The hidden layer in the form a network has it: rows, output weights, affine remainder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from divulge.arrays import Array
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.network.units import Units


class Sum(nn.Module):
    """Adds the outputs of modules that are given the same input."""

    def __init__(self, *terms: nn.Module) -> None:
        super().__init__()
        self.terms = nn.ModuleList(terms)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the sum of every term's output for `inputs`."""
        return torch.stack([term(inputs) for term in self.terms]).sum(dim=0)


class WithInput(nn.Module):
    """Hands on what a module makes of its input, shape (n, h), and the input (n, d) behind it: (n, h + d)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the module's output for `inputs`, and `inputs`."""
        return torch.cat([self.module(inputs), inputs], dim=1)


@dataclass
class Layer:
    """f_k(x) = base_k . (x, 1) + sum_j weights_kj max(rows_j . (x, 1), 0).

    Attributes:
        rows: unit-norm input weights with the offset as last entry, shape (h, d + 1).
        weights: output weights, shape (K, h).
        base: affine remainder of every output, shape (K, d + 1).
    """

    rows: Array
    weights: Array
    base: Array

    @classmethod
    def from_fit(cls, fit: Fit) -> Layer:
        """Return the layer of one output; units without a jump are left out."""
        norms = np.linalg.norm(fit.units.jumps[:, :-1], axis=1)
        jumps, sides, norms = fit.units.jumps[norms > 0], fit.units.sides[norms > 0], norms[norms > 0]
        return cls(jumps * (sides / norms)[:, None], (sides * norms)[None], fit.base[None].copy())

    def __len__(self) -> int:
        return len(self.rows)

    def on(self, points: Array) -> Array:
        """0/1 states at points (n, d + 1): shape (n, h)."""
        return np.asarray(points @ self.rows.T > 0, dtype=float)

    def pieces(self, points: Array, output: int) -> Array:
        """Affine pieces of one output at points (n, d + 1): shape (n, d + 1)."""
        return np.asarray(self.base[output] + (self.on(points) * self.weights[output]) @ self.rows)

    def values(self, points: Array, output: int) -> Array:
        """Values of one output at points (n, d + 1)."""
        hidden = np.maximum(points @ self.rows.T, 0.0)
        return np.asarray(points @ self.base[output] + hidden @ self.weights[output])

    def fit(self, output: int) -> Fit:
        """Return what one output sees of the layer."""
        weights = self.weights[output]
        return Fit(Units(self.rows * weights[:, None], np.sign(weights)), self.base[output], np.inf)

    def weights_of(self, fit: Fit) -> Array:
        """Weights (h,) of an output whose fit holds the units of this layer in their order."""
        return np.asarray(np.einsum("hd,hd->h", fit.units.jumps[:, :-1], self.rows[:, :-1]))

    def with_output(self, fit: Fit) -> Layer:
        """Append an output whose fit holds the units of this layer in their order."""
        weights = np.concatenate([self.weights, self.weights_of(fit)[None]])
        return Layer(self.rows, weights, np.concatenate([self.base, fit.base[None]]))

    def flip(self, units: NDArray[np.bool_]) -> Layer:
        """Turn units over: w max(z, 0) = w z + w max(-z, 0). The function stays the same."""
        rows = np.where(units[:, None], -self.rows, self.rows)
        return Layer(rows, self.weights, self.base + (self.weights * units) @ self.rows)

    def slope_share(self) -> float:
        """Size of the affine remainder's gradient relative to the hidden layer's."""
        size = np.abs(self.weights).sum(axis=1).max(initial=0.0)
        slope = np.linalg.norm(self.base[:, :-1], axis=1).max(initial=0.0)
        return float(slope / size) if size else float(slope > 0)

    def module(self, dtype: torch.dtype, with_slope: bool) -> nn.Sequential:
        """Build the network: Linear, ReLU, Linear, and a Linear beside them where an affine part remains."""
        inputs, outputs = self.rows.shape[1] - 1, len(self.weights)
        if not len(self):
            return nn.Sequential(linear(self.base[:, :-1], self.base[:, -1], dtype))
        hidden = linear(self.rows[:, :-1], self.rows[:, -1], dtype)
        if not with_slope:
            return nn.Sequential(hidden, nn.ReLU(), linear(self.weights, self.base[:, -1], dtype))
        top = linear(self.weights, np.zeros(outputs), dtype)
        beside = linear(self.base[:, :-1].reshape(outputs, inputs), self.base[:, -1], dtype)
        return nn.Sequential(Sum(nn.Sequential(hidden, nn.ReLU(), top), beside))


def linear(weight: Array, bias: Array, dtype: torch.dtype) -> nn.Linear:
    """Return a Linear layer with these parameters."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=dtype)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        layer.bias.copy_(torch.from_numpy(np.ascontiguousarray(bias)))
    return layer
