"""Known layers whose last one may be turned either way, and the cells that their hyperplanes make.

A unit behind them has the pre-activation

    z = R . relu(z_L) + U . p + b,

z_L the last known layer's levels and p the features before it. U = - sum of s_i R_i a_i over the units i that
are turned the wrong way (s_i = 1, a_i their rows), and 0 once none is. theta = (R, U). Features before the
last layer whose entries that layer leaves open may be handed on beside it: U then has a part there, whatever
the sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import FOLLOWING


@dataclass(frozen=True)
class Known:
    """Known layers, one at least.

    Attributes:
        prefix: the layers.
        open_sides: whether units of the last one may be turned the wrong way.
        loose: which of the features before the last layer are handed on beside it, while its sides are open.
    """

    prefix: Prefix
    open_sides: bool
    loose: Index = field(default_factory=lambda: np.empty(0, np.intp))

    @property
    def width(self) -> int:
        """Units h of the last layer."""
        return self.prefix.width

    @property
    def unknowns(self) -> int:
        """Length of theta."""
        return self.width + (self.prefix.layers[-1].rows.shape[1] if self.open_sides else 0)

    @cached_property
    def switching(self) -> Index:
        """Layer and unit of all that has a ReLU, shape (m, 2)."""
        units = [layer.units for layer in self.prefix.layers]
        return np.array([(depth, unit) for depth, many in enumerate(units) for unit in range(many)], np.intp)

    @property
    def inner(self) -> Prefix:
        """All layers but the last."""
        return Prefix(self.prefix.input_size, self.prefix.layers[:-1])

    def terms(self, points: Array) -> Array:
        """Return what theta is multiplied with in z at points (n, d), shape (n, unknowns)."""
        top = self.prefix.features(points)
        return np.concatenate([top, self.inner.features(points)], axis=1) if self.open_sides else top

    def cell(self, point: Array) -> Cell:
        """Return the cell around a point (d,)."""
        levels = self.prefix.levels(point[None])
        return Cell(self, [layer.on(z)[0] for layer, z in zip(self.prefix.layers, levels, strict=True)])


class Cell:
    """A region in which no unit of the known layers switches.

    Args:
        known: the layers.
        sides: of each layer's units, shape (h_l,) each.

    Attributes:
        slopes: gradients of each layer's levels, shape (h_l, d) each.
        offsets: the levels are slopes . x + offsets, shape (h_l,) each.
    """

    def __init__(self, known: Known, sides: list[Mask]) -> None:
        self.known, self.sides = known, sides
        self.slopes: list[Array] = []
        self.offsets: list[Array] = []
        slope, offset = np.eye(known.prefix.input_size), np.zeros(known.prefix.input_size)
        for layer, side in zip(known.prefix.layers, sides, strict=True):
            self.slopes.append(layer.rows @ slope)
            self.offsets.append(layer.rows @ offset + layer.offsets)
            slope, offset = side[:, None] * self.slopes[-1], side * self.offsets[-1]
            self.before = (
                self.slopes[-2] * sides[len(self.slopes) - 2][:, None] if len(self.slopes) > 1 else None
            )

    def gradient_terms(self) -> Array:
        """Return what theta is multiplied with in the gradient of z, shape (d, unknowns)."""
        top = self.sides[-1][:, None] * self.slopes[-1]
        if not self.known.open_sides:
            return np.asarray(top.T)
        inner = len(self.slopes) > 1
        low = self.sides[-2][:, None] * self.slopes[-2] if inner else np.eye(top.shape[1])
        return np.asarray(np.concatenate([top, low]).T)

    def across(self, layer: int, unit: int) -> Array:
        """Return what theta is multiplied with in dz / d relu(z_unit) of a layer, shape (unknowns,)."""
        layers = self.known.prefix.layers
        terms = np.zeros(self.known.unknowns)
        if layer == len(layers) - 1:
            terms[unit] = 1.0
            return terms
        share = np.zeros(len(layers[layer]))
        share[unit] = 1.0
        for depth in range(layer + 1, len(layers) - 1):
            share = self.sides[depth] * (layers[depth].rows @ share)
        terms[: self.known.width] = self.sides[-1] * (layers[-1].rows @ share)
        if self.known.open_sides:
            terms[self.known.width :] = share
        return terms

    def edge(self, point: Array, way: Array) -> tuple[float, int, int]:
        """Return how far it is along a way to the first edge, and whose it is: layer and unit.

        Infinity where there is none.
        """
        reach = self.reaches(point, way)[0]
        if not len(reach) or np.isinf(first := reach.min()):
            return np.inf, -1, -1
        layer, unit = self.known.switching[int(np.argmin(reach))]
        return float(first), int(layer), int(unit)

    def span(self, point: Array, way: Array) -> tuple[float, float]:
        """Return how far it is to the first edges along a way, and back."""
        ahead, back = self.reaches(point, way).min(axis=1, initial=np.inf)
        return float(ahead), float(back)

    def reaches(self, point: Array, way: Array) -> Array:
        """Return how far it is to each edge along a way, and back, infinity where it is never met, (2, m)."""
        room = np.maximum(self.inward @ point + self.room, 0.0)
        growth = self.inward @ way
        least = FOLLOWING.along * np.linalg.norm(way)
        growth = np.stack([-growth, growth])
        return np.asarray(np.divide(room, growth, out=np.full(growth.shape, np.inf), where=growth > least))

    @cached_property
    def inward(self) -> Array:
        """Gradients of these units' levels, pointing into the cell, shape (m, d)."""
        sides, slopes = self.units_alone(self.sides), self.units_alone(self.slopes)
        return np.asarray(np.where(sides, 1.0, -1.0)[:, None] * slopes)

    @cached_property
    def room(self) -> Array:
        """What these levels are at the origin, turned like that, shape (m,)."""
        turned = np.where(self.units_alone(self.sides), 1.0, -1.0)
        return np.asarray(turned * self.units_alone(self.offsets))

    def units_alone(self, of_layers: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Return what is known of all layers' units, one after the other, without what is handed on."""
        layers = self.known.prefix.layers
        return np.concatenate([each[: layer.units] for each, layer in zip(of_layers, layers, strict=True)])

    def beyond(self, layer: int, unit: int) -> Cell:
        """Return the cell behind an edge."""
        sides = [side.copy() for side in self.sides]
        sides[layer][unit] ^= True
        return Cell(self.known, sides)
