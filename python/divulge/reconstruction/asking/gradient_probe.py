"""Kinks and pieces from gradients: one query a piece, lines searched by the native engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge import _core
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.probe import Explained, Kinks, Known, Probe

Array = NDArray[np.float64]


class GradientProbe(Probe):
    """Asks an oracle that answers with gradients; every answer stays in the transcript."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.input_size = transcript.oracle.input_size
        self.domain = transcript.oracle.domain
        self.noise = transcript.noise
        self.tolerances = transcript.tolerances
        self.rounded = self.tolerances.single

    def pieces(self, points: Array, radius: Array | None = None) -> Array:
        """Ask one query a point."""
        rows = self.transcript.ask(points)
        return self.transcript.pieces[rows]

    def answered(self) -> tuple[Array, Array]:
        """Return every answer of the transcript."""
        return self.transcript.points[:, :-1], self.transcript.pieces

    def kinks(
        self, origins: Array, directions: Array, low: Array, high: Array, explained: Explained | None = None
    ) -> Kinks:
        """Search with the native engine, each kink certified from both sides."""
        return self.kinks_beside(None, origins, directions, low, high)

    def kinks_beside(
        self, known: Known | None, origins: Array, directions: Array, low: Array, high: Array
    ) -> Kinks:
        """Find the kinks that are left when a known function is taken off every answer.

        In its place comes a linear function as steep as the victim, so that rounding stays small beside it.
        """
        carrier = np.append(np.full(self.input_size, self.transcript.scale / np.sqrt(self.input_size)), 0.0)
        failures: list[BaseException] = []

        def answer(points: Array) -> tuple[Array, Array]:
            try:
                rows = self.transcript.ask(points)
            except BaseException as error:
                failures.append(error)
                raise
            pieces = self.transcript.pieces[rows]
            if known is not None:
                pieces = pieces - known.pieces(self.transcript.points[rows][:, :-1], 0) + carrier
            values = np.einsum("nd,nd->n", pieces, self.transcript.points[rows])
            return values, np.ascontiguousarray(pieces[:, :-1])

        oracle = _core.CallbackOracle(answer, self.input_size, self.rounded)
        rounding = 0.0 if known is None else self.tolerances.rounding
        found = _core.kink_search(oracle, origins, directions, low, high, tolerance=rounding)
        if failures:
            raise failures[0]
        line = np.asarray(found.line, np.intp)
        points = origins[line] + found.t[:, None] * directions[line]
        return Kinks(line, np.array(found.t), points, np.array(found.jumps))
