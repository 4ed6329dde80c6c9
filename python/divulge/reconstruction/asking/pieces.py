"""Asking for affine pieces where answers hold gradients: one query each."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.network.record import Record, homogeneous
from divulge.reconstruction.settings import TINY


class Transcript(Record):
    """A record that grows by asking.

    Attributes:
        asked: the output that is asked.
        domain: None for all of R^d, or (low, high), shape (d,) each.
        beside: records of other outputs, which an oracle of all outputs tells in the same answer.
    """

    def __init__(self, asked: AskedOutput) -> None:
        super().__init__(asked.input_size, asked.rounding, asked.tells_values)
        self.asked = asked
        self.domain = asked.domain
        self.beside: list[Transcript] = []
        self.steepest_missed = 0.0  # largest gradient of answers that were asked for by `misses`

    def take(self, points: Array, values: Array, gradients: Array) -> Index:
        """Keep what the compiled core asked at points (n, d), and count it; return the row numbers."""
        self.asked.charge(len(points))
        return self.add(self.asked.representable(points), values, gradients)

    def ask(self, points: Array) -> Index:
        """Query points (n, d), as far as the budget goes, and return the row numbers of the answers.

        Raises:
            Stopped: the budget ends before the last point, or the oracle fails.
        """
        points = self.asked.representable(points)
        allowed = self.asked.affordable(len(points))
        if allowed:
            values, gradients = self.asked.query(points[:allowed])
            assert gradients is not None  # a ValueTranscript asks the others
            self.add(points[:allowed], values, gradients)
        if allowed < len(points):
            raise self.asked.spent()  # with nothing looked up: a search that goes on asks the rest first
        for other in self.beside if allowed else ():
            other.look_up(points)
        return np.arange(len(self) - len(points), len(self))

    def look_up(self, points: Array) -> None:
        """Keep what the last answer about another output at points (n, d) holds of this one, at no cost."""
        values, gradients = self.asked.query(points)
        assert gradients is not None
        self.add(points, values, gradients)

    def misses(self, points: Array, predicted: Array) -> Array:
        """Ask how far predicted pieces are from answers, relative to the largest; these are not recorded.

        Where nothing is recorded, the largest that was asked for here before counts. Where all these values
        happen to be small, they are compared with what the largest gradient makes of one coordinate.

        Args:
            points: as the victim's precision holds them, shape (n, d), all about as far from the origin.
            predicted: pieces there, shape (n, d + 1).

        Returns:
            The larger error of gradient and value at each point, shape (n,).

        Raises:
            Stopped: the oracle can be asked no further.
        """
        values, gradients = self.asked.query(points)
        assert gradients is not None  # a ValueTranscript asks the others
        steepest = float(np.linalg.norm(gradients, axis=1).max(initial=0.0))
        self.steepest_missed = max(self.steepest_missed, steepest)
        known = self.scale if len(self) else self.steepest_missed  # later layers may be off at all of these
        largest = max(known, steepest, TINY)
        in_slope = np.linalg.norm(predicted[:, :-1] - gradients, axis=1) / largest
        if values is None or not len(points):
            return np.asarray(in_slope)
        spread = largest * float(np.linalg.norm(points, axis=1).max()) / np.sqrt(self.input_size)
        usual = max(float(np.ptp(values)), float(np.abs(values).max()), spread, TINY)
        off = np.abs(np.einsum("nd,nd->n", predicted, homogeneous(points)) - values)
        return np.asarray(np.maximum(in_slope, off / usual))
