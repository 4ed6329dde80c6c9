"""What an attack on many layers asks: kinks along lines, and affine pieces around points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Index
from divulge.reconstruction.settings import BENDS, TINY, Tolerances

Explained = Callable[[Array], NDArray[np.bool_]]


@dataclass(frozen=True)
class Kinks:
    """Kinks met on lines x = u + t v, sorted by line and then by t.

    Attributes:
        line: the line of each, shape (m,).
        t: place on the line, shape (m,).
        points: u + t v, shape (m, d).
        jumps: gradient after the kink minus gradient before it, shape (m, d); 0 where it is not known.
    """

    line: Index
    t: Array
    points: Array
    jumps: Array

    def __len__(self) -> int:
        return len(self.t)

    def take(self, which: Index) -> Kinks:
        """Return some of them."""
        return Kinks(self.line[which], self.t[which], self.points[which], self.jumps[which])


class Known(Protocol):
    """A piecewise-linear function."""

    def pieces(self, points: Array, output: int, /) -> Array:
        """Return the affine pieces (n, d + 1) of an output around points (n, d)."""


class Probe(ABC):
    """One output of an oracle, asked for kinks and pieces; how it gets them depends on what is answered.

    Attributes:
        input_size: d.
        domain: None for all of R^d, or (low, high), shape (d,) each.
        noise: relative rounding error of an answer.
        tolerances: what that leaves open.
        rounded: whether the victim answers in single precision.
        bends_are_cheap: whether `bends` costs much less than two pieces.
        all_at_once: whether an answer holds other outputs' at the same point, too.
    """

    input_size: int
    domain: tuple[Array, Array] | None
    noise: float
    tolerances: Tolerances
    bends_are_cheap = False
    all_at_once = False
    rounded = False

    @property
    def steepest(self) -> float:
        """Length of the largest gradient that is known, 0 where none is."""
        return 0.0

    @abstractmethod
    def kinks(
        self, origins: Array, directions: Array, low: Array, high: Array, explained: Explained | None = None
    ) -> Kinks:
        """Find every kink on segments of lines.

        Args:
            origins: u of every line, shape (L, d).
            directions: v, shape (L, d).
            low: where each segment begins, t, shape (L,).
            high: where it ends, shape (L,).
            explained: which of points (n, d) lie on known hyperplanes, shape (n,): a kink there needs no
                jump, and a probe that must pay for it may leave it out.

        Raises:
            Stopped: the oracle can be asked no further.
        """

    def kinks_beside(
        self, known: Known | None, origins: Array, directions: Array, low: Array, high: Array
    ) -> Kinks | None:
        """Find the kinks of what is left beside a known function, or return None where that saves nothing."""
        return None

    @abstractmethod
    def pieces(self, points: Array, radius: Array | None = None) -> Array:
        """Return gradient and offset of the affine piece around each point.

        Args:
            points: shape (n, d).
            radius: distance from each point within which the function is believed to be affine, shape (n,),
                or None where nothing is known. A probe that must take differences keeps within it.

        Returns:
            Shape (n, d + 1): near x the function is piece . (x, 1).

        Raises:
            Stopped: the oracle can be asked no further.
        """

    def slopes(self, points: Array, directions: Array, radius: Array) -> Array:
        """Return slopes, shape (n, q), at points (n, d) along directions (n, q, d), within a radius (n,)."""
        return np.asarray(np.einsum("nqd,nd->nq", directions, self.pieces(points, radius)[:, :-1]))

    def misses(self, points: Array, predicted: Array) -> Array:
        """Ask how far predicted pieces are from the truth.

        Args:
            points: shape (n, d).
            predicted: pieces there, shape (n, d + 1).

        Returns:
            The larger relative error of gradient and value at each point, shape (n,).
        """
        pieces = self.pieces(points)
        wrong, ends = predicted - pieces, np.column_stack([points, np.ones(len(points))])
        slopes, values = np.linalg.norm(pieces[:, :-1], axis=1), np.abs(np.einsum("nd,nd->n", pieces, ends))
        slope = float(slopes.max(initial=self.steepest))
        spread = slope * float(np.linalg.norm(points, axis=1).max(initial=0.0)) / np.sqrt(self.input_size)
        in_slope = np.linalg.norm(wrong[:, :-1], axis=1) / max(slope, TINY)
        in_value = np.abs(np.einsum("nd,nd->n", wrong, ends)) / max(values.max(initial=spread), TINY)
        return np.asarray(np.maximum(in_slope, in_value))

    @abstractmethod
    def answered(self) -> tuple[Array, Array]:
        """Return all points around which pieces are known by now, (n, d), and the pieces, (n, d + 1)."""

    def bends(self, points: Array, normals: Array, steps: Array) -> NDArray[np.bool_]:
        """Return whether the gradient jumps along the normal at each point.

        Args:
            points: where a kink is predicted, shape (n, d).
            normals: of the predicted hyperplanes, shape (n, d).
            steps: how far from the points to ask, shape (n,).
        """
        if not len(points):
            return np.zeros(0, bool)
        directions = normals / np.linalg.norm(normals, axis=1, keepdims=True)
        away = steps[:, None] * directions
        pieces = self.pieces(np.concatenate([points + away, points - away]), np.tile(steps, 2) / 2)[:, :-1]
        after, before = pieces[: len(points)], pieces[len(points) :]
        size = np.linalg.norm(after - before, axis=1)
        along = np.einsum("nd,nd->n", after - before, directions)
        across = np.linalg.norm(after - before - along[:, None] * directions, axis=1)
        crooked = self.tolerances.alike if self.rounded else BENDS.crooked
        rounding = self.tolerances.rounding * (np.linalg.norm(after, axis=1) + np.linalg.norm(before, axis=1))
        return np.asarray((size > rounding) & (across <= crooked * size + rounding))
