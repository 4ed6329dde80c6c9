"""Every answer an attack has had about one output, as affine pieces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.settings import Tolerances


@dataclass(frozen=True)
class NoiseFloor:
    """How far answers inside one affine piece differ.

    Attributes:
        noise: relative error of an answer.
        drowned: whether noise hides a unit in the difference of two answers.
        seen: a sentence, empty where it is only rounding.
    """

    noise: float
    drowned: bool = False
    seen: str = ""


def homogeneous(points: Array) -> Array:
    """Append the constant 1: shape (n, d) becomes (n, d + 1)."""
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def grown(array: Array, rows: int) -> Array:
    """Return a copy of an array with room for so many rows, and for half as many again."""
    out = np.empty((rows + rows // 2, array.shape[1]))
    out[: len(array)] = array
    return out


class Record:
    """The answers about one output: near a point x that was asked about the function is piece . (x, 1).

    Args:
        input_size: d.
        rounding: relative rounding error of the precision that answers come in.
        tells_values: whether answers hold values; without them offsets of pieces are 0.

    Attributes:
        points: queried points with a 1 appended, shape (n, d + 1).
        pieces: gradient and offset of the affine piece at each point, shape (n, d + 1); the offset is
            c = f(x) - gradient . x, and 0 where no values are told.
        noise: relative error of an answer: at first the rounding.
        drowned: whether noise hides a unit in the difference of two answers.
        scale: length of the largest gradient.
    """

    def __init__(self, input_size: int, rounding: float, tells_values: bool) -> None:
        self.input_size = input_size
        self.rounding = self.noise = rounding
        self.tells_values = tells_values
        self.drowned = False
        self.scale = 0.0
        self._points = np.empty((0, input_size + 1))
        self._pieces = np.empty((0, input_size + 1))
        self._told = np.empty((0, 1))
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def noisy(self) -> bool:
        """Whether answers were seen to differ by more than rounding."""
        return self.noise > self.rounding

    @property
    def tolerances(self) -> Tolerances:
        """What the noise of an answer leaves open."""
        return Tolerances.of(self.noise)

    @property
    def points(self) -> Array:
        """Queried points with a 1 appended, shape (n, d + 1)."""
        return self._points[: self._used]

    @property
    def pieces(self) -> Array:
        """Affine pieces, shape (n, d + 1)."""
        return self._pieces[: self._used]

    def told(self, rows: Index) -> Array:
        """Values as the answers in these rows told them, shape (n,); 0 where none are told."""
        return np.asarray(self._told[rows, 0])

    def values(self) -> Array:
        """Values at the queried points as the pieces have them, shape (n,)."""
        return np.asarray(np.einsum("nd,nd->n", self.pieces, self.points))

    def settle(self, floor: NoiseFloor) -> None:
        """Take a noise floor that was measured."""
        self.noise, self.drowned = floor.noise, floor.drowned

    def take_noise(self, other: Record) -> None:
        """Take the noise that another output's answers showed."""
        self.noise = other.noise

    def add(self, points: Array, values: Array | None, gradients: Array) -> Index:
        """Append answers at points (n, d), values (n,), gradients (n, d); return their row numbers."""
        offsets = (
            np.zeros(len(points)) if values is None else values - np.einsum("nd,nd->n", gradients, points)
        )
        first, self._used = self._used, self._used + len(points)
        if self._used > len(self._points):
            self._points = grown(self._points, self._used)
            self._pieces = grown(self._pieces, self._used)
            self._told = grown(self._told, self._used)
        self._points[first : self._used] = homogeneous(points)
        self._pieces[first : self._used] = np.column_stack([gradients, offsets])
        self._told[first : self._used, 0] = 0.0 if values is None else values
        self.scale = max(self.scale, float(np.linalg.norm(gradients, axis=1).max(initial=0.0)))
        return np.arange(first, self._used)
