"""Asking for affine pieces where answers hold values alone: differences, d + 1 values and a few more each."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.finite_differences import differences
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.values import Values
from divulge.reconstruction.settings import VALUES


class ValueTranscript(Transcript):
    """A record of pieces that were found by differences.

    Attributes:
        values_of: the output as a function.
        rng: directions in which steps are tried.
    """

    def __init__(self, asked: AskedOutput, lines: Lines) -> None:
        """Measure the rounding of values at random points of these lines' domain.

        Raises:
            NotPiecewiseLinear: the function is curved at most of them.
            Stopped: the oracle can be asked no further.
        """
        super().__init__(asked)
        self.rng = lines.rng
        self.values_of = Values(asked)
        self.values_of.measure(lines.samples(VALUES.places), self.rng)

    def ask(self, points: Array, radius: Array | None = None) -> Index:
        """Take the pieces around points (n, d), affine within a radius (n,) or None; return row numbers.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        return self.keep(points, differences(self.values_of, points, radius, self.rng)[0])

    def misses(self, points: Array, predicted: Array) -> Array:
        """Ask one value a point; see `Values.misses`."""
        return self.values_of.misses(points, predicted)

    def keep(self, points: Array, pieces: Array) -> Index:
        """Record pieces (n, d + 1) found around points (n, d)."""
        points, gradients = self.asked.representable(points), pieces[:, :-1]
        return self.add(points, pieces[:, -1] + np.einsum("nd,nd->n", gradients, points), gradients)
