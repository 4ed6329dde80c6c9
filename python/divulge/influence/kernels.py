"""Kernels between training samples and test points, one column at a time."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from divulge.arrays import Array
from divulge.influence.influence import Influence
from divulge.influence.operators import blocks
from divulge.influence.samples import Samples
from divulge.points import host_array

__all__ = ["FisherKernel", "Kernel", "RbfKernel"]

_ROWS = 256
_PAIRS = 1 << 22  # numbers held at once
_SAMPLE = 1000  # of the distances whose median is the width


class Kernel(Protocol):
    """k between training samples i and a distribution of points.

    Attributes:
        diagonal: k(i, i) (n,).
        target: the mean over the points of k(i, .) (n,).
        prior: the mean over pairs of the points of k.
        noise: relative error of a column.
    """

    diagonal: Array
    target: Array
    prior: float
    noise: float

    def column(self, row: int) -> Array:
        """Return k(i, row) (n,)."""


class FisherKernel:
    """k(i, j) = g_i' H^-1 g_j, g the gradients of the losses and H the curvature of an `Influence`.

    The embedding H^-1/2 g is never formed: a column is one solve and one pass over the samples.

    Args:
        influence: of the trained model.
        samples: the points, checked.

    Source:
        T. Jaakkola, D. Haussler, "Exploiting generative models in discriminative classifiers", 1998.
    """

    def __init__(self, influence: Influence, samples: Samples) -> None:
        self._influence = influence
        total, squares = np.zeros(influence.operator.parameters), 0.0
        for rows in blocks(len(samples), _ROWS):
            part = influence.gradients(samples.take(np.arange(rows.start, rows.stop)), "loss")
            total += part.sum(axis=0, dtype=np.float64)
            squares += float((part.astype(np.float64) ** 2).sum())
        mean = total / len(samples)
        self.share = float(np.linalg.norm(mean)) / max((squares / len(samples)) ** 0.5, 1e-300)
        solved = influence.solve(mean).vectors
        self.prior = float(mean @ solved)
        self.target = self._products(solved)
        self.diagonal = influence.self_influence().astype(np.float64)
        self.noise = 1e-8 if influence.operator.dtype == np.float64 else 1e-4

    def column(self, row: int) -> Array:
        """Return k(i, row) (n,)."""
        gradient = self._influence.operator.loss_gradients(np.array([row]))[0]
        return self._products(self._influence.solve(gradient).vectors)

    def _products(self, vector: NDArray[Any]) -> Array:
        """Return g_i' v (n,)."""
        operator = self._influence.operator
        return np.array(operator.scores(vector[None].astype(operator.dtype))[0], np.float64)


class RbfKernel:
    """k(x, y) = exp(-|x - y|^2 / (2 width^2)), of the inputs alone.

    Args:
        inputs: (n, ...).
        points: (m, ...).
        width: by default the median distance of some inputs.

    Raises:
        ValueError: points of another size, or a width not above 0.
    """

    def __init__(self, inputs: ArrayLike, points: ArrayLike, *, width: float | None = None) -> None:
        x, t = (np.asarray(host_array(part), np.float64) for part in (inputs, points))
        x, t = x.reshape(len(x), -1), t.reshape(len(t), -1)
        if x.shape[1] != t.shape[1]:
            raise ValueError(f"expected points of {x.shape[1]} numbers like the inputs, got {t.shape[1]}")
        if width is not None and not 0 < width < np.inf:
            raise ValueError(f"expected a width above 0, got {width!r}")
        centre = x.mean(axis=0)  # far from 0 the squares would cancel out
        x, t = x - centre, t - centre
        self._x = x
        some = x[:: max(1, len(x) // _SAMPLE)]
        self.width = float(width or np.sqrt(np.median(_squares(some, some))) or 1.0)
        self.diagonal, self.noise = np.ones(len(x)), 1e-10
        self.target, self.prior = self._mean(x, t), float(self._mean(t, t).mean())

    def column(self, row: int) -> Array:
        """Return k(i, row) (n,)."""
        return self._of(_squares(self._x, self._x[[row]]))[:, 0]

    def _of(self, squares: Array) -> Array:
        return np.asarray(np.exp(-squares / (2 * self.width**2)))

    def _mean(self, x: Array, t: Array) -> Array:
        size = max(1, _PAIRS // max(len(t), 1))
        return np.concatenate([self._of(_squares(x[part], t)).mean(axis=1) for part in blocks(len(x), size)])


def _squares(a: Array, b: Array) -> Array:
    return np.asarray(np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0.0))
