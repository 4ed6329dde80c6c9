"""Every answer an attack has had, as affine pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from divulge.errors import BudgetExhausted, OracleError
from divulge.reconstruction.settings import Tolerances

if TYPE_CHECKING:
    from divulge.oracles import Oracle
    from divulge.reconstruction.network.fit import Fit

Array = NDArray[np.float64]
Index = NDArray[np.intp]


class Stopped(Exception):
    """The oracle can be asked no further; what is known so far stays in `fit`, if anything is."""

    fit: Fit | None = None


def homogeneous(points: Array) -> Array:
    """Append the constant 1: shape (n, d) becomes (n, d + 1)."""
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def grown(array: Array, rows: int) -> Array:
    """Return a copy of an array with room for so many rows, and for half as many again."""
    out = np.empty((rows + rows // 2, array.shape[1]))
    out[: len(array)] = array
    return out


class Transcript:
    """The answers about one output: near a queried point x the function is piece . (x, 1).

    Attributes:
        points: queried points with a 1 appended, shape (n, d + 1).
        pieces: gradient and offset of the affine piece at each point, shape (n, d + 1); the offset is
            c = f(x) - gradient . x, and 0 where the oracle returns no values.
        noise: relative error of an answer: at first the rounding of the oracle's precision.
        drowned: whether noise hides a unit in the difference of two answers.
    """

    def __init__(self, oracle: Oracle, output: int) -> None:
        self.oracle = oracle
        self.output = output
        self._points = np.empty((0, oracle.input_size + 1))
        self._pieces = np.empty((0, oracle.input_size + 1))
        self._used = 0
        self.rounding = self.noise = float(torch.finfo(oracle.dtype).eps)
        self.scale = 0.0
        self.drowned = False

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

    def ask(self, points: Array) -> Index:
        """Query points (n, d), as far as the budget goes, and return the row numbers of the answers.

        Raises:
            Stopped: the budget ends before the last point, or the oracle fails, or the user interrupts.
        """
        points = self.representable(points)
        remaining = self.oracle.ledger.remaining
        allowed = len(points) if remaining is None else min(len(points), remaining)
        if allowed:
            self._record(points[:allowed], *self._query(points[:allowed]))
        if allowed < len(points):
            raise Stopped(f"the budget of {self.oracle.ledger.budget} queries is spent")
        return np.arange(len(self.points) - len(points), len(self.points))

    def representable(self, points: Array) -> Array:
        """Return the points as the victim's own precision holds them."""
        if self.oracle.dtype == torch.float64:
            return points
        return points.astype(np.float32).astype(np.float64)

    def _query(self, points: Array) -> tuple[Array | None, Array]:
        """Ask the oracle; whatever ends the conversation becomes Stopped."""
        try:
            values, gradients = self.oracle.query(points, self.output)
        except (OracleError, BudgetExhausted) as error:
            raise Stopped(str(error)) from error
        except KeyboardInterrupt as error:
            raise Stopped("interrupted by the user") from error
        assert gradients is not None  # a ValueTranscript asks the others
        return values, gradients

    def _record(self, points: Array, values: Array | None, gradients: Array) -> None:
        """Append answers as affine pieces."""
        offsets = (
            np.zeros(len(points)) if values is None else values - np.einsum("nd,nd->n", gradients, points)
        )
        first, self._used = self._used, self._used + len(points)
        if self._used > len(self._points):
            self._points = grown(self._points, self._used)
            self._pieces = grown(self._pieces, self._used)
        self._points[first : self._used] = homogeneous(points)
        self._pieces[first : self._used] = np.column_stack([gradients, offsets])
        self.scale = max(self.scale, float(np.linalg.norm(gradients, axis=1).max(initial=0.0)))

    def values(self) -> Array:
        """Values at the queried points, shape (n,)."""
        return np.asarray(np.einsum("nd,nd->n", self.pieces, self.points))
