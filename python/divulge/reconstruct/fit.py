"""Least squares over all answers, given which unit is on where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lstsq

from divulge.reconstruct.transcript import Transcript
from divulge.reconstruct.units import Units

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass
class Fit:
    """Units and the affine piece that is left without them.

    Attributes:
        units: the hidden units.
        base: the affine part, shape (d + 1,).
        error: largest error of a gradient over all answers, relative to the largest gradient.
    """

    units: Units
    base: Array
    error: float

    def values(self, points: Array) -> Array:
        """Values at points (n, d + 1): shape (n,)."""
        return points @ self.base + self.units.values(points)

    def slope_residual(self, transcript: Transcript, rows: Index) -> float:
        """Largest residual of a gradient at these answers, relative to the largest gradient seen."""
        gradients = (self.base + self.units.pieces(transcript.points[rows]) - transcript.pieces[rows])[:, :-1]
        return float(np.linalg.norm(gradients, axis=1).max(initial=0.0)) / max(transcript.scale, 1e-300)

    def residual(self, transcript: Transcript, rows: Index) -> float:
        """Largest residual at these answers, of gradients and of values, these relative to their size."""
        points, pieces = transcript.points[rows], transcript.pieces[rows]
        worst = self.slope_residual(transcript, rows)
        if transcript.oracle.has_values:
            values = np.einsum("nd,nd->n", pieces, points)
            spread = max(float(np.ptp(values)), float(np.abs(values).max(initial=0.0)), 1e-300)
            worst = max(worst, float(np.abs(self.values(points) - values).max(initial=0.0)) / spread)
        return worst


def fit(transcript: Transcript, units: Units) -> Fit:
    """Refit jumps and affine part to all answers, the states taken from the units given.

    With S the 0/1 states, minimises |[1, S] (base; J) - G|^2 over the gradients G, and the same over the
    offsets c, there with weight 1 / |(x, 1)| because f - g.x is known to a rounding error that grows with
    |x|.
    """
    states = np.column_stack([np.ones(len(transcript)), units.states(transcript.points)])
    gradients = transcript.pieces[:, :-1]
    solution, _, rank, _ = lstsq(states, gradients, lapack_driver="gelsy", check_finite=False)
    error = float(np.linalg.norm(states @ solution - gradients, axis=1).max(initial=0.0)) / max(
        transcript.scale, 1e-300
    )
    if rank < states.shape[1]:
        plain = Fit(units, median_remainder(transcript, units), np.inf)
        plain.error = plain.slope_residual(transcript, np.arange(len(transcript)))
        return plain
    weight = 1 / np.linalg.norm(transcript.points, axis=1)
    offsets = np.linalg.lstsq(states * weight[:, None], transcript.pieces[:, -1] * weight, rcond=None)[0]
    full = np.column_stack([solution, offsets])
    return Fit(Units(full[1:], units.sides), full[0], error)


def median_remainder(transcript: Transcript, units: Units) -> Array:
    """Median over the answers of what the units leave."""
    if not len(transcript):
        return np.zeros(transcript.points.shape[1])
    return np.asarray(np.median(transcript.pieces - units.pieces(transcript.points), axis=0))
