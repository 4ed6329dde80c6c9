"""What the units of a copy are: ReLUs, leaky ones, absolute values; or ReLUs beside their input.

A unit of slope s below 0, phi(z) = max(z, 0) + s min(z, 0), is a ReLU and a linear part. Read with weight A,

    A phi(z) = a max(z, 0) + kappa a z,     a = (1 - s) A,   kappa = s / (1 - s),

and where the copy holds it the other way round, z' = -z, kappa = -1 / (1 - s). Whatever reads the layer reads

    R max(W x + b, 0) + V x + c,   V = R diag(kappa) W

with one kappa for each unit. That is linear in kappa: least squares over all readers tells whether any
explains V, and which. Each kappa is one unit's of slope s in [-1, 1): 0 is a ReLU, -1 an absolute value. What
no kappa explains is a skip connection, or maxima of several linear functions, and stays as it is.

A clipped unit is two parallel ones, max(z, 0) - max(z - c, 0). Which way round both are held makes no
difference but for a constant; where they are held opposite ways, one of them is turned first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Sum, WithInput, linear
from divulge.reconstruction.settings import NAMED, TINY


class Absolute(nn.Module):
    """|z|, entry by entry."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the absolute values of `inputs`."""
        return torch.abs(inputs)


@dataclass
class Reader:
    """What reads a layer: weights (k, features) and constants (k,), views of the copy's."""

    weights: Array
    constants: Array


@dataclass
class NamedLayer:
    """One hidden layer, its units turned so that |slope| is at most 1.

    Attributes:
        rows, offsets: shapes (h, features before) and (h,).
        slopes: of each unit below 0, shape (h,).
        passage: whether what comes in is handed on behind the units.
        clipped: whether they come in pairs, max(z, 0) - max(z - c, 0), each one unit of ReLU6 or Hardtanh.
        handed: how many numbers that were that readers have weights for, whether or not they still do.
    """

    rows: Array
    offsets: Array
    slopes: Array
    passage: bool
    handed: int
    clipped: bool = False

    @property
    def kind(self) -> str:
        """What the units are, in words."""
        return self.unit + (" beside its input" if self.passage else "")

    @property
    def unit(self) -> str:
        """What one of them is, as PyTorch calls it."""
        first = self.slopes[:1]
        if not len(first) or not self.slopes.any():
            return "ReLU in pairs, as ReLU6 or Hardtanh" if self.clipped else "ReLU"
        if (self.slopes == first).all():
            return "abs" if first[0] == -1 else f"LeakyReLU({first[0]:.12g})"
        return "PReLU"

    def module(self, columns: Mask, dtype: torch.dtype) -> list[nn.Module]:
        """Return modules for the layer, of whose features before it only some are left."""
        block = [linear(self.rows[:, columns], self.offsets, dtype), self.activation(dtype)]
        return [WithInput(nn.Sequential(*block))] if self.passage else block

    def activation(self, dtype: torch.dtype) -> nn.Module:
        """Return the module of the units."""
        if not self.slopes.any():
            return nn.ReLU()
        if self.unit == "abs":
            return Absolute()
        if self.unit == "PReLU":
            module = nn.PReLU(len(self.slopes), dtype=dtype)
            with torch.no_grad():
                module.weight.copy_(torch.from_numpy(self.slopes))
            return module
        return nn.LeakyReLU(float(self.slopes[0]))


@dataclass
class Named:
    """A network of named layers.

    Attributes:
        layers: from the input on.
        weights, base: of the outputs, shapes (K, h) and (K, features before the last layer + 1).
    """

    layers: list[NamedLayer]
    weights: Array
    base: Array

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each hidden layer's units are."""
        return tuple(layer.kind for layer in self.layers)

    @property
    def slope(self) -> bool:
        """Whether a linear part remains beside the last hidden layer."""
        return bool(self.base[:, :-1].any())

    def module(self, dtype: torch.dtype) -> nn.Sequential:
        """Build the network."""
        modules, columns = list[nn.Module](), np.ones(self.layers[0].rows.shape[1], bool)
        *inner, last = self.layers
        for layer in inner:
            modules += layer.module(columns, dtype)
            kept = columns if layer.passage else np.zeros(layer.handed, bool)
            columns = np.concatenate([np.ones(len(layer.offsets), bool), kept])
        hidden = last.module(columns, dtype)
        if not self.slope:
            return nn.Sequential(*modules, *hidden, linear(self.weights, self.base[:, -1], dtype))
        top = linear(self.weights, np.zeros(len(self.weights)), dtype)
        beside = linear(self.base[:, :-1][:, columns], self.base[:, -1], dtype)
        return nn.Sequential(*modules, Sum(nn.Sequential(*hidden, top), beside))


def named(model: DeepModel, with_slope: bool, tolerance: float) -> Named:
    """Say what the units of a network with a hidden layer are.

    Args:
        model: the network.
        with_slope: whether its linear part beside the last hidden layer counts.
        tolerance: relative size of what may be left of V; 0 names nothing.
    """
    model = model.with_whole_inputs()
    last, inner = model.layer, model.prefix.layers
    weights, base = last.weights.copy(), last.base.copy()
    if not with_slope:
        base[:, :-1] = 0.0
    layers = [
        unnamed(layer.rows[: layer.units], layer.offsets[: layer.units], layer.passage) for layer in inner
    ]
    top = unnamed(last.rows[:, :-1], last.rows[:, -1], last.rows.shape[1] - 1)
    readers = [Reader(np.concatenate([weights, base[:, :-1]], axis=1), base[:, -1])]
    outputs, layers = readers[0], [*layers, top]
    for layer in reversed(layers):
        size = len(layer.offsets)
        if layer.passage and tolerance and size:
            name(layer, readers, tolerance)
        beyond = [Reader(r.weights[:, size:], r.constants) for r in readers] if layer.passage else []
        readers = [Reader(layer.rows, layer.offsets), *beyond]
    size, top.passage = len(top.offsets), False
    base = np.column_stack([outputs.weights[:, size:], outputs.constants])
    return Named(layers, outputs.weights[:, :size], base)


def named_copy(
    model: DeepModel, with_slope: bool, dtype: torch.dtype, tolerance: float
) -> tuple[nn.Sequential, Named]:
    """Return a network as a module of the units that it has, and what they are.

    Args:
        model: the network; a plain one, without passages, is built as it is.
        with_slope: whether its linear part beside the last hidden layer counts.
        dtype: of the module.
        tolerance: relative error up to which the module is the same function; units stay unnamed beyond, and
            where it is 0.
    """
    plain = model.module(dtype, with_slope)
    named_layers = named(model, with_slope, tolerance)
    as_held = not any(layer.passage for layer in model.prefix.layers) and named_layers.slope == with_slope
    if not tolerance or (as_held and set(named_layers.kinds) <= {"ReLU"}):
        return plain, named_layers
    module = named_layers.module(dtype)
    usual = np.random.default_rng(0).standard_normal((NAMED.points, model.prefix.input_size))
    points = torch.from_numpy(np.concatenate([scale * usual for scale in NAMED.scales])).to(dtype)
    with torch.no_grad():
        right, found = plain(points), module(points)
    if (found - right).abs().max() <= tolerance * right.abs().max():
        return module, named_layers
    return plain, named(model, with_slope, 0.0)


def unnamed(rows: Array, offsets: Array, handed: int) -> NamedLayer:
    """Return a layer of ReLUs."""
    return NamedLayer(rows.copy(), offsets.copy(), np.zeros(len(rows)), handed > 0, handed)


def name(layer: NamedLayer, readers: list[Reader], tolerance: float) -> None:
    """Turn a layer's passage into slopes of its units, where that explains what all readers read."""
    size = len(layer.offsets)
    read = np.concatenate([reader.weights for reader in readers])
    first, second = pairs(layer.rows)
    against = np.zeros(size, bool)
    against[second] = np.einsum("id,id->i", layer.rows[first], layer.rows[second]) < 0
    rows, offsets = layer.rows * against[:, None], layer.offsets * against
    kappa = shares(layer.rows, read[:, :size], read[:, size:] + read[:, :size] @ rows, tolerance)
    if kappa is None:
        return
    for reader in readers:
        reader.constants += reader.weights[:, :size] @ offsets
    layer.rows -= 2 * rows
    layer.offsets -= 2 * offsets
    lengths = np.linalg.norm(layer.rows, axis=1)
    opposite = read[:, first] * lengths[first] + read[:, second] * lengths[second]
    layer.clipped = 2 * len(first) == size and bool(
        np.linalg.norm(opposite) <= tolerance * np.linalg.norm(read[:, :size] * lengths)
    )
    turned, slopes = kappa < -0.5, settled(kappa, tolerance)
    exact = np.where(turned, -1 / (1 - slopes), slopes / (1 - slopes))
    for reader in readers:
        reader.constants -= reader.weights[:, :size] @ (exact * layer.offsets)
        reader.weights[:, :size] /= 1 - slopes
        reader.weights[:, size:] = 0.0
    layer.rows[turned] *= -1
    layer.offsets[turned] *= -1
    layer.slopes, layer.passage = slopes, False


def pairs(rows: Array) -> tuple[Index, Index]:
    """Return the first and the second unit of each pair whose hyperplanes are parallel to no other."""
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY)
    parallel = np.abs(rows @ rows.T) > 1 - NAMED.parallel
    np.fill_diagonal(parallel, False)
    parallel &= (parallel.sum(axis=0) == 1) & (parallel.sum(axis=1) == 1)[:, None]
    first, second = np.nonzero(np.triu(parallel))
    return first, second


def shares(rows: Array, read: Array, beside: Array, tolerance: float) -> Array | None:
    """Return kappa (h,) with beside = read diag(kappa) rows, or None where none explains it, or too many do.

    Args:
        rows: of the layer's units, shape (h, p).
        read: weights of what reads them, shape (k, h).
        beside: weights with which that reads what comes into the layer, shape (k, p).
        tolerance: relative size that is rounding.
    """
    (k, p), h = beside.shape, len(rows)
    size = np.linalg.norm(read, axis=0) * np.linalg.norm(rows, axis=1)
    if np.linalg.norm(beside) <= tolerance * np.linalg.norm(size):
        return np.zeros(h)
    if k * p * h > NAMED.largest or k * p < h:
        return None
    matrix = (read[:, None, :] * rows.T[None]).reshape(k * p, h) / np.maximum(size, TINY)
    used = size > tolerance * size.max()
    u, s, vt = np.linalg.svd(matrix[:, used], full_matrices=False)
    if s[-1] <= NAMED.rank * s[0]:
        return None
    right = beside.reshape(-1)
    solution = vt.T @ ((u.T @ right) / s)
    left = np.linalg.norm(right - matrix[:, used] @ solution)
    kappa = np.zeros(h)
    kappa[used] = solution / size[used]
    proven = k * p > h or (h >= NAMED.alike and np.ptp(settled(kappa, tolerance)) == 0)
    return kappa if proven and left <= tolerance * np.linalg.norm(right) else None


def settled(kappa: Array, tolerance: float) -> Array:
    """Return slopes (h,) for kappa (h,): one for all where only rounding parts them, and plain numbers."""
    below = kappa < -0.5
    slopes = np.where(below, 1 + 1 / np.where(below, kappa, -1.0), kappa / np.where(below, 1.0, 1 + kappa))
    if np.ptp(slopes) <= tolerance:
        slopes = np.full(len(slopes), np.median(slopes))
    plain = np.round(slopes, NAMED.decimals)
    return np.asarray(np.where(np.abs(slopes - plain) <= NAMED.written, plain, slopes))
