"""Least squares over all answers, given which unit is on where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lstsq

from divulge.arrays import Array, Index
from divulge.reconstruction.network.record import Record
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.settings import FIT, TINY


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

    @classmethod
    def nothing(cls, input_size: int) -> Fit:
        """Return what is known before the first answer."""
        return cls(Units.none(input_size), np.zeros(input_size + 1), np.inf)

    def values(self, points: Array) -> Array:
        """Values at points (n, d + 1): shape (n,)."""
        return points @ self.base + self.units.values(points)

    def slope_residual(self, record: Record, rows: Index) -> float:
        """Largest residual of a gradient at these answers, relative to the largest gradient seen."""
        left = (self.base + self.units.pieces(record.points[rows]) - record.pieces[rows])[:, :-1]
        if record.noisy:
            left = self.settled(record, rows, left)
        return float(np.linalg.norm(left, axis=1).max(initial=0.0)) / max(record.scale, TINY)

    def settled(self, record: Record, rows: Index, left: Array) -> Array:
        """Take out of residual gradients (n, d) the units that lie nearer to their kink than noise tells."""
        points, jumps = record.points[rows], self.units.jumps
        blur = FIT.blur * record.noise * record.scale * np.linalg.norm(points, axis=1)
        levels = (points @ jumps.T) * self.units.sides
        left = left.copy()
        for row, near in enumerate(np.abs(levels) <= blur[:, None]):
            own = jumps[near, :-1]
            wrong = np.linalg.lstsq(own.T, left[row], rcond=None)[0] * np.where(levels[row, near] > 0, 1, -1)
            left[row] -= ((wrong > 0.5) * np.where(levels[row, near] > 0, 1, -1)) @ own
        return left

    def residual(self, record: Record, rows: Index) -> float:
        """Largest residual at these answers, of gradients and of values, these relative to their size.

        That size is the spread of all values at points no more than twice as far from the origin: one answer
        may happen to be near 0.
        """
        points, pieces = record.points[rows], record.pieces[rows]
        worst = self.slope_residual(record, rows)
        if record.tells_values and len(rows):
            values = np.einsum("nd,nd->n", pieces, points)
            reach = np.linalg.norm(record.points, axis=1)
            near = record.values()[reach <= 2 * reach[rows].max()]
            spread = max(float(np.ptp(near)), float(np.abs(near).max()), TINY)
            worst = max(worst, float(np.abs(self.values(points) - values).max()) / spread)
        return worst


def fit(record: Record, units: Units, rows: Index | None = None) -> Fit:
    """Refit jumps and affine part to all answers, or to some rows, the states taken from the units given.

    With S the 0/1 states, minimises |[1, S] (base; J) - G|^2 over the gradients G, and the same over the
    offsets c, there with weight 1 / |(x, 1)| because f - g.x is known to a rounding error that grows with
    |x|.
    """
    some: slice | Index = slice(None) if rows is None else rows
    points, pieces = record.points[some], record.pieces[some]
    states = np.column_stack([np.ones(len(points)), units.states(points)])
    gradients = pieces[:, :-1]
    solution, _, rank, _ = lstsq(states, gradients, lapack_driver="gelsy", check_finite=False)
    error = float(np.linalg.norm(states @ solution - gradients, axis=1).max(initial=0.0)) / max(
        record.scale, TINY
    )
    if rank < states.shape[1]:
        plain = Fit(units, median_remainder(record, units), np.inf)
        plain.error = plain.slope_residual(record, np.arange(len(record))[some])
        return plain
    full = np.column_stack([solution, offsets(points, pieces, states)])
    return Fit(Units(full[1:], units.sides), full[0], error)


def offsets(points: Array, pieces: Array, states: Array) -> Array:
    """Least squares for the offsets of pieces that are on at `states`, shape (n, m): shape (m,)."""
    weight = 1 / np.linalg.norm(points, axis=1)
    solution = np.linalg.lstsq(states * weight[:, None], pieces[:, -1] * weight, rcond=None)[0]
    return np.asarray(solution)


def off_binary(record: Record, rows: Index, jumps: Array, base: Array) -> Array:
    """Rms distance from 0 and 1 of every jump's coordinate in these answers' gradients, shape (h,)."""
    seen = record.pieces[rows, :-1] - base
    beta = np.linalg.lstsq(jumps.T, seen.T, rcond=None)[0]
    return np.asarray(np.sqrt((np.minimum(np.abs(beta), np.abs(1 - beta)) ** 2).mean(axis=1)))


def decoded_fit(record: Record, jumps: Array, base: Array) -> Fit:
    """Refit jumps and affine part to all answers, the states read from the answers themselves.

    With independent jumps D the coordinates of g - base along them are 0 or 1. To read them needs no offset
    and only rough jumps, so noise that blurs one difference of gradients averages out over all answers.

    Args:
        record: the answers.
        jumps: D_j, the gradient with unit j on minus that with it off, independent, shape (h, d).
        base: the gradient with every unit off, shape (d,).
    """
    gradients, points = record.pieces[:, :-1], record.points
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
    full = np.column_stack(
        [np.concatenate([base[None], jumps]), offsets(record.points, record.pieces, states)]
    )
    return Fit(Units(full[1:], sides), full[0], error / max(record.scale, TINY))


def median_remainder(record: Record, units: Units) -> Array:
    """Median over the answers of what the units leave."""
    if not len(record):
        return np.zeros(record.points.shape[1])
    return np.asarray(np.median(record.pieces - units.pieces(record.points), axis=0))
