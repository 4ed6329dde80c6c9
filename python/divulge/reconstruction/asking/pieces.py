"""Asking for affine pieces where answers hold gradients: one query each."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.network.record import Record


class Transcript(Record):
    """A record that grows by asking.

    Attributes:
        asked: the output that is asked.
        domain: None for all of R^d, or (low, high), shape (d,) each.
    """

    def __init__(self, asked: AskedOutput) -> None:
        super().__init__(asked.input_size, asked.rounding, asked.tells_values)
        self.asked = asked
        self.domain = asked.domain

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
            raise self.asked.spent()
        return np.arange(len(self) - len(points), len(self))
