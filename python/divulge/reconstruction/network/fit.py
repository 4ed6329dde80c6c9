"""Least squares over all answers, given which unit is on where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lstsq

from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.settings import FIT, TINY

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
        left = (self.base + self.units.pieces(transcript.points[rows]) - transcript.pieces[rows])[:, :-1]
        if transcript.noisy:
            left = self.settled(transcript, rows, left)
        return float(np.linalg.norm(left, axis=1).max(initial=0.0)) / max(transcript.scale, TINY)

    def settled(self, transcript: Transcript, rows: Index, left: Array) -> Array:
        """Take out of residual gradients (n, d) the units that lie nearer to their kink than noise tells."""
        points, jumps = transcript.points[rows], self.units.jumps
        blur = FIT.blur * transcript.noise * transcript.scale * np.linalg.norm(points, axis=1)
        levels = (points @ jumps.T) * self.units.sides
        left = left.copy()
        for row, near in enumerate(np.abs(levels) <= blur[:, None]):
            own = jumps[near, :-1]
            wrong = np.linalg.lstsq(own.T, left[row], rcond=None)[0] * np.where(levels[row, near] > 0, 1, -1)
            left[row] -= ((wrong > 0.5) * np.where(levels[row, near] > 0, 1, -1)) @ own
        return left

    def residual(self, transcript: Transcript, rows: Index) -> float:
        """Largest residual at these answers, of gradients and of values, these relative to their size.

        That size is the spread of all values at points no more than twice as far from the origin: one answer
        may happen to be near 0.
        """
        points, pieces = transcript.points[rows], transcript.pieces[rows]
        worst = self.slope_residual(transcript, rows)
        if transcript.oracle.has_values and len(rows):
            values = np.einsum("nd,nd->n", pieces, points)
            reach = np.linalg.norm(transcript.points, axis=1)
            near = transcript.values()[reach <= 2 * reach[rows].max()]
            spread = max(float(np.ptp(near)), float(np.abs(near).max()), TINY)
            worst = max(worst, float(np.abs(self.values(points) - values).max()) / spread)
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
        transcript.scale, TINY
    )
    if rank < states.shape[1]:
        plain = Fit(units, median_remainder(transcript, units), np.inf)
        plain.error = plain.slope_residual(transcript, np.arange(len(transcript)))
        return plain
    full = np.column_stack([solution, offsets(transcript, states)])
    return Fit(Units(full[1:], units.sides), full[0], error)


def offsets(transcript: Transcript, states: Array) -> Array:
    """Least squares for the offsets of pieces that are on at `states`, shape (n, m): shape (m,)."""
    weight = 1 / np.linalg.norm(transcript.points, axis=1)
    solution = np.linalg.lstsq(states * weight[:, None], transcript.pieces[:, -1] * weight, rcond=None)[0]
    return np.asarray(solution)


def off_binary(transcript: Transcript, rows: Index, jumps: Array, base: Array) -> Array:
    """Rms distance from 0 and 1 of every jump's coordinate in these answers' gradients, shape (h,)."""
    seen = transcript.pieces[rows, :-1] - base
    beta = np.linalg.lstsq(jumps.T, seen.T, rcond=None)[0]
    return np.asarray(np.sqrt((np.minimum(np.abs(beta), np.abs(1 - beta)) ** 2).mean(axis=1)))


def decoded_fit(transcript: Transcript, jumps: Array, base: Array) -> Fit:
    """Refit jumps and affine part to all answers, the states read from the answers themselves.

    With independent jumps D the coordinates of g - base along them are 0 or 1. To read them needs no offset
    and only rough jumps, so noise that blurs one difference of gradients averages out over all answers.

    Args:
        transcript: the answers.
        jumps: D_j, the gradient with unit j on minus that with it off, independent, shape (h, d).
        base: the gradient with every unit off, shape (d,).
    """
    gradients, points = transcript.pieces[:, :-1], transcript.points
    for _ in range(FIT.readings):
        on = (gradients - base) @ np.linalg.pinv(jumps) > 0.5
        states = np.column_stack([np.ones(len(points)), on])
        solution, _, rank, _ = np.linalg.lstsq(states, gradients, rcond=None)
        if rank < states.shape[1]:
            break  # a unit that no answer switches: nothing to average
        base, jumps = np.asarray(solution[0]), np.asarray(solution[1:])
    error = float(np.linalg.norm(base + on @ jumps - gradients, axis=1).max(initial=0.0))
    levels = points[:, :-1] @ jumps.T
    sides = np.sign(((levels - levels.mean(axis=0)) * np.where(on, 1.0, -1.0)).sum(axis=0))
    full = np.column_stack([np.concatenate([base[None], jumps]), offsets(transcript, states)])
    return Fit(Units(full[1:], sides), full[0], error / max(transcript.scale, TINY))


def median_remainder(transcript: Transcript, units: Units) -> Array:
    """Median over the answers of what the units leave."""
    if not len(transcript):
        return np.zeros(transcript.points.shape[1])
    return np.asarray(np.median(transcript.pieces - units.pieces(transcript.points), axis=0))
