"""Kinks and pieces from gradients: one query a piece, lines searched by the native engine."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.kinks_shown_once import KinksShownOnce
from divulge.reconstruction.asking.native_search import search_lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.probe import Explained, Kinks, Known, Probe


class GradientProbe(Probe):
    """Asks an oracle that answers with gradients; every answer stays in the transcript."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.input_size = transcript.input_size
        self.domain = transcript.domain
        self.noise = transcript.noise
        self.tolerances = transcript.tolerances
        self.rounded = self.tolerances.single
        self.all_at_once = transcript.asked.all_at_once

    @property
    def steepest(self) -> float:
        """Length of the largest gradient answered."""
        return self.transcript.scale

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

    def shown_once(self, origin: Array, direction: Array, low: float, high: float) -> KinksShownOnce:
        """Return a search of one line from the answers that lie on it already."""
        return KinksShownOnce(self.transcript, origin, direction, low, high)

    def kinks_beside(
        self, known: Known | None, origins: Array, directions: Array, low: Array, high: Array
    ) -> Kinks:
        """Find the kinks that are left when a known function is taken off every answer.

        In its place comes a linear function as steep as the victim, so that rounding stays small beside it.
        """
        carrier = np.append(np.full(self.input_size, self.transcript.scale / np.sqrt(self.input_size)), 0.0)

        def left(points: Array, pieces: Array) -> Array:
            assert known is not None
            return np.asarray(pieces - known.pieces(points[:, :-1], 0) + carrier)

        found = search_lines(
            self.transcript,
            origins,
            directions,
            low,
            high,
            change=None if known is None else left,
            tolerance=0.0 if known is None else self.tolerances.rounding,
        )
        line = np.asarray(found.line, np.intp)
        points = origins[line] + found.t[:, None] * directions[line]
        return Kinks(line, np.array(found.t), points, np.array(found.jumps))
