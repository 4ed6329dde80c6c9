"""The layers that are known already, from the input on: what they make of a point."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from divulge.arrays import Array, Mask


@dataclass(frozen=True, eq=False)
class Dense:
    """Pre-activations z = rows . p + offsets of one layer's units, p the features of the layer before.

    Attributes:
        rows: shape (h, p).
        offsets: shape (h,).
    """

    rows: Array
    offsets: Array

    def __len__(self) -> int:
        return len(self.offsets)

    @cached_property
    def svd(self) -> tuple[Array, Array, Array]:
        """U, s and V^T of the rows."""
        u, s, vt = np.linalg.svd(self.rows, full_matrices=False)
        return u, s, vt

    def levels(self, features: Array) -> Array:
        """Return z for features (n, p), shape (n, h)."""
        return np.asarray(features @ self.rows.T + self.offsets)


@dataclass
class Prefix:
    """x -> relu(z_l(... relu(z_1(x)))): the known layers, oriented.

    Attributes:
        input_size: d.
        layers: the known layers, first to last; none at the start, when the features are x itself.
    """

    input_size: int
    layers: list[Dense] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.layers[-1]) if self.layers else self.input_size

    def levels(self, points: Array) -> list[Array]:
        """Return the pre-activations of every layer at points (n, d), shapes (n, h_k)."""
        levels, features = [], points
        for layer in self.layers:
            levels.append(layer.levels(features))
            features = np.maximum(levels[-1], 0.0)
        return levels

    def features(self, points: Array) -> Array:
        """Return the last known layer's activations, shape (n, width)."""
        return np.maximum(self.levels(points)[-1], 0.0) if self.layers else points

    def masks(self, points: Array) -> Mask:
        """Return which features are active, shape (n, width); inputs always are."""
        if not self.layers:
            return np.ones(points.shape, bool)
        return self.levels(points)[-1] > 0

    def jacobians(self, points: Array) -> Array:
        """Return d features / dx, shape (n, width, d); rows of inactive features are 0."""
        size = self.input_size
        if not self.layers:
            return np.broadcast_to(np.eye(size), (len(points), size, size))
        first, levels = self.layers[0], self.levels(points)
        out = (levels[0] > 0)[:, :, None] * first.rows
        for layer, level in zip(self.layers[1:], levels[1:], strict=True):
            out = (level > 0)[:, :, None] * np.matmul(layer.rows, out)
        return np.asarray(out)

    def along(self, points: Array, directions: Array) -> Array:
        """Return the features' derivatives along directions (n, d, q) at each point, shape (n, width, q)."""
        out = directions
        for layer, level in zip(self.layers, self.levels(points), strict=True):
            out = (level > 0)[:, :, None] * np.matmul(layer.rows, out)
        return np.asarray(out)

    def gradients(self, points: Array, unit_rows: Array) -> Array:
        """Return unit_rows[n] . d features / dx, shape (n, d), without the whole Jacobian.

        Args:
            points: shape (n, d).
            unit_rows: one row over the features for each point, shape (n, width).
        """
        back = unit_rows
        for layer, level in zip(reversed(self.layers), reversed(self.levels(points)), strict=True):
            back = (back * (level > 0)) @ layer.rows
        return np.asarray(back)

    def grown(self, layer: Dense) -> Prefix:
        """Return the prefix with one more layer."""
        return Prefix(self.input_size, [*self.layers, layer])
