"""The layers that are known already, from the input on: what they make of a point."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.settings import SLOPES_BELOW


@dataclass(frozen=True, eq=False)
class Dense:
    """Pre-activations z = rows . p + offsets of one layer's units, p the features of the layer before.

    Attributes:
        rows: shape (h, p).
        offsets: shape (h,).
        passage: how many of them, the last ones, have no ReLU: what comes in is handed on beside the units.
        slopes: of units where z is below 0, shape (h,); None where all of them are ReLUs, of slope 0.
    """

    rows: Array
    offsets: Array
    passage: int = 0
    slopes: Array | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    @cached_property
    def svd(self) -> tuple[Array, Array, Array]:
        """U, s and V^T of the rows."""
        u, s, vt = np.linalg.svd(self.rows, full_matrices=False)
        return u, s, vt

    @property
    def units(self) -> int:
        """How many have a ReLU: the first ones."""
        return len(self) - self.passage

    def levels(self, features: Array) -> Array:
        """Return z for features (n, p), shape (n, h)."""
        return np.asarray(features @ self.rows.T + self.offsets)

    def on(self, levels: Array) -> Mask:
        """Return which are active at levels (n, h): what has no ReLU, or a slope below 0, always is."""
        on: Mask = levels > 0
        on[:, self.units :] = True
        return on if self.slopes is None else on | (np.abs(self.slopes) > SLOPES_BELOW.seen)

    def factors(self, levels: Array) -> Array | Mask:
        """Return the derivative of what the layer makes of levels (n, h), shape (n, h)."""
        if self.slopes is None:
            return self.on(levels)
        return np.where(levels > 0, 1.0, self.slopes)

    def outputs(self, levels: Array) -> Array:
        """Return what the layer makes of its levels (n, h), shape (n, h)."""
        if self.slopes is None:
            return np.where(self.on(levels), levels, 0.0)
        return np.where(levels > 0, levels, self.slopes * levels)

    def taken(self, which: Mask) -> Dense:
        """Return the layer with some of its rows (h,)."""
        slopes = None if self.slopes is None else self.slopes[which]
        return Dense(self.rows[which], self.offsets[which], int(which[self.units :].sum()), slopes)

    def reading(self, change: Array) -> Dense:
        """Return the layer that reads p where this one reads change @ (p, 1)."""
        after = np.column_stack([self.rows, self.offsets]) @ change
        return replace(self, rows=after[:, :-1], offsets=after[:, -1])

    def with_passage(self) -> Dense:
        """Return the layer with every number that comes in handed on as well."""
        size = self.rows.shape[1]
        rows, offsets = np.vstack([self.rows, np.eye(size)]), np.append(self.offsets, np.zeros(size))
        return Dense(rows, offsets, self.passage + size)


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
            features = layer.outputs(levels[-1])
        return levels

    def features(self, points: Array) -> Array:
        """Return the last known layer's activations, shape (n, width)."""
        return self.layers[-1].outputs(self.levels(points)[-1]) if self.layers else points

    def masks(self, points: Array) -> Mask:
        """Return which features are active, shape (n, width); inputs always are."""
        if not self.layers:
            return np.ones(points.shape, bool)
        return self.layers[-1].on(self.levels(points)[-1])

    def jacobians(self, points: Array) -> Array:
        """Return d features / dx, shape (n, width, d); rows of inactive features are 0."""
        size = self.input_size
        if not self.layers:
            return np.broadcast_to(np.eye(size), (len(points), size, size))
        first, levels = self.layers[0], self.levels(points)
        out = first.factors(levels[0])[:, :, None] * first.rows
        for layer, level in zip(self.layers[1:], levels[1:], strict=True):
            out = layer.factors(level)[:, :, None] * np.matmul(layer.rows, out)
        return np.asarray(out)

    def along(self, points: Array, directions: Array) -> Array:
        """Return the features' derivatives along directions (n, d, q) at each point, shape (n, width, q)."""
        out = directions
        for layer, level in zip(self.layers, self.levels(points), strict=True):
            out = layer.factors(level)[:, :, None] * np.matmul(layer.rows, out)
        return np.asarray(out)

    def gradients(self, points: Array, unit_rows: Array) -> Array:
        """Return unit_rows[n] . d features / dx, shape (n, d), without the whole Jacobian.

        Args:
            points: shape (n, d).
            unit_rows: one row over the features for each point, shape (n, width).
        """
        back = unit_rows
        for layer, level in zip(reversed(self.layers), reversed(self.levels(points)), strict=True):
            back = (back * layer.factors(level)) @ layer.rows
        return np.asarray(back)

    def grown(self, layer: Dense) -> Prefix:
        """Return the prefix with one more layer."""
        return Prefix(self.input_size, [*self.layers, layer])
