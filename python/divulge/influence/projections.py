"""Samples' gradients in few numbers: times random matrices, whole or layer by layer from two sides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from divulge.influence.influence import Influence
from divulge.influence.layer_products import put
from divulge.influence.losses import LossFunction
from divulge.influence.operators import Array, LayerPlace, blocks
from divulge.influence.samples import Samples

__all__ = ["Projection", "ProjectionName", "projection_of"]

ProjectionName = Literal["random", "two_sided"]

# Samples whose gradients are whole in memory at a time, and rows of a random matrix.
_SAMPLES, _ROWS = 64, 16384


class Projection(Protocol):
    """From gradients to few numbers.

    Attributes:
        shapes: of each layer's matrix (a, b), or of the row (1, b) of all parameters together.
    """

    shapes: list[list[int]]

    def features(self, samples: Samples, function: LossFunction) -> Iterator[Array]:
        """Yield the numbers (k, columns) of a function's gradients, for each block of samples."""

    def pulled(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return vectors (m, P) whose inner products with gradients are those of rows with their numbers."""


class RandomMatrix:
    """R' g, R (P, columns) normal with variance 1 / columns, so that inner products stay on average.

    Where `columns` is P or more, g itself. R is drawn anew for each block of samples, some rows at a time.
    """

    def __init__(self, influence: Influence, columns: int, seed: int) -> None:
        self._influence, self._seed = influence, seed
        self._size = influence.operator.parameters
        self._columns = min(columns, self._size)
        self.shapes = [[1, self._columns]]

    def features(self, samples: Samples, function: LossFunction) -> Iterator[Array]:
        """Yield (k, columns) for each block of samples."""
        operator = self._influence._prepared.autograd
        for rows in blocks(len(samples), _SAMPLES):
            gradients = operator.gradients(samples.take(np.arange(rows.start, rows.stop)), function)
            if self._columns == self._size:
                yield gradients
                continue
            total = np.zeros((len(gradients), self._columns), gradients.dtype)
            for number, part in enumerate(blocks(self._size, _ROWS)):
                total += gradients[:, part] @ _normal(
                    part.stop - part.start, self._columns, self._seed, number
                )
            yield total

    def pulled(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return R x (m, P) of rows x."""
        if self._columns == self._size:
            return rows
        parts = enumerate(blocks(self._size, _ROWS))
        drawn = (_normal(part.stop - part.start, self._columns, self._seed, i) for i, part in parts)
        return np.concatenate([rows @ matrix.T for matrix in drawn], axis=1)


class TwoSided:
    """U' G V of each layer, G its gradient (h, d), U (h, side) and V (d, side) with orthonormal columns.

    Times the roots of h / side and d / side, so that inner products are whole gradients' in the mean, with
    less chance in them than with normal numbers; stores that were made with those go on with them.

    G is a sum over positions of what comes back times what was seen, both of which are multiplied before the
    sum (LoGra, Choe et al. 2024): no gradient of a sample is ever whole. Where `side` is h or d or more, U
    or V is left out.
    """

    def __init__(self, influence: Influence, side: int, seed: int, normal: bool = False) -> None:
        self._operator = influence._prepared.autograd
        places = self._operator.layers
        shapes = [_shape(place) for place in places]
        self._outer = [_side(h, side, seed, 2 * i, normal) for i, (h, _) in enumerate(shapes)]
        self._inner = [_side(d, side, seed, 2 * i + 1, normal) for i, (_, d) in enumerate(shapes)]
        self.shapes = [[u.shape[1], v.shape[1]] for u, v in zip(self._outer, self._inner, strict=True)]

    def features(self, samples: Samples, function: LossFunction) -> Iterator[Array]:
        """Yield (k, columns) for each block of samples."""
        yield from self._operator.kronecker_projections(samples, function, self._inner, self._outer)

    def pulled(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return U X V' of each layer's part X of rows, in the place of its parameters (m, P)."""
        out, at = np.zeros((len(rows), self._operator.parameters)), 0
        sides = zip(self._outer, self._inner, self._operator.layers, strict=True)
        for outer, inner, place in sides:
            a, b = outer.shape[1], inner.shape[1]
            matrix = outer @ rows[:, at : at + a * b].reshape(-1, a, b) @ inner.T
            put(torch.from_numpy(out), place, torch.from_numpy(matrix))
            at += a * b
        return out


def projection_of(
    influence: Influence, name: ProjectionName, size: int, seed: int, *, normal: bool = False
) -> Projection:
    """Return a projection of an Influence's gradients; `size` columns, or so many for each side of a layer.

    Args:
        influence: of the module.
        name: of the projection.
        size: of it.
        seed: of its matrices.
        normal: whether a two-sided one's are of normal numbers, as they were in earlier stores.

    Raises:
        ValueError: two-sided, and a parameter belongs to a layer without a rule.
    """
    influence._follow()
    if name == "random":
        return RandomMatrix(influence, size, seed)
    return TwoSided(influence, size, seed, normal)


def _shape(place: LayerPlace) -> tuple[int, int]:
    return place[0], place[1] + (place[3] is not None)


def _side(length: int, side: int, seed: int, number: int, normal: bool) -> Array:
    if side >= length:
        return np.eye(length, dtype=np.float32)
    drawn = _normal(length, side, seed, number)
    if normal:
        return drawn
    basis, upper = np.linalg.qr(drawn.astype(np.float64))
    scale = np.sign(np.diag(upper)) * np.sqrt(length / side)  # the signs make every basis equally likely
    return np.asarray(basis * scale, np.float32)


def _normal(rows: int, columns: int, seed: int, number: int) -> NDArray[Any]:
    draw = np.random.default_rng([seed, number]).standard_normal((rows, columns), dtype=np.float32)
    return np.asarray(draw / np.float32(np.sqrt(columns)))
