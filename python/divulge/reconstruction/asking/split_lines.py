"""Lines split at their kinks, and the pieces between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.affine_runs import Runs
from divulge.reconstruction.asking.finite_differences import differences
from divulge.reconstruction.asking.kinks_from_values import RunSearch
from divulge.reconstruction.asking.values import Values
from divulge.reconstruction.network.record import homogeneous


@dataclass
class Split:
    """Lines split at their kinks.

    Attributes:
        origins, directions: u and v of every line, shape (L, d).
        runs: where on the lines the function is affine.
        left: for every kink the run before it; the next one follows it, shape (m,).
        t: place of every kink, shape (m,).
    """

    origins: Array
    directions: Array
    runs: Runs
    left: Index
    t: Array

    def line(self) -> Index:
        """Return the line of every kink, shape (m,)."""
        return self.runs.line[self.left]

    def points(self) -> Array:
        """Return the kinks' points, shape (m, d)."""
        line = self.line()
        return np.asarray(self.origins[line] + self.t[:, None] * self.directions[line])


def split_lines(values: Values, origins: Array, directions: Array, low: Array, high: Array) -> Split:
    """Find the kinks' places, a few values each; where kinks are too close to be told apart, none.

    Args:
        values: where to ask.
        origins: u of every line, shape (L, d).
        directions: v of every line, shape (L, d).
        low: where each starts, shape (L,).
        high: where each ends, shape (L,).
    """

    def answer(line: Index, t: Array) -> tuple[Array, Array]:
        points = origins[line] + t[:, None] * directions[line]
        found = values.ask(points)
        return found, values.noise(np.linalg.norm(points, axis=1), found)

    search = RunSearch(answer, low, high, values.slope * np.linalg.norm(directions, axis=1))
    runs = search.run()
    left = search.gaps()
    meet, margin = search.crossings(left)
    sharp = (meet >= runs.high[left] - 4 * margin) & (meet <= runs.low[left + 1] + 4 * margin)
    return Split(origins, directions, runs, left[sharp], meet[sharp])


def middles(split: Split, rows: Index, planes: Array | None = None) -> tuple[Array, Array]:
    """Return points of runs far from kinks, and how far they are from these.

    Args:
        split: the lines.
        rows: which runs, n of them.
        planes: hyperplanes (a, b) whose kinks were subtracted, shape (h, d + 1); the point is taken in the
            widest part of a run between them.

    Returns:
        Shapes (n, d) and (n,).
    """
    low, high, line = split.runs.low[rows], split.runs.high[rows], split.runs.line[rows]
    origins, directions = split.origins[line], split.directions[line]
    if planes is not None:
        low, high = widest_parts(low, high, origins, directions, planes)
    middle = np.tan((np.arctan(low) + np.arctan(high)) / 2)
    sizes = np.linalg.norm(directions, axis=1)
    return origins + middle[:, None] * directions, np.minimum(middle - low, high - middle) * sizes


def run_pieces(
    values: Values, split: Split, rows: Index, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Return points in the middle of runs, the pieces there, and their errors.

    The slope along the line is known from a run's ends, far apart: it corrects the gradient.
    """
    points, radius = middles(split, rows)
    pieces, errors = differences(values, points, radius, rng)
    directions = split.directions[split.runs.line[rows]]
    off = split.runs.slope()[rows] - np.einsum("nd,nd->n", pieces[:, :-1], directions)
    off /= np.einsum("nd,nd->n", directions, directions)
    pieces[:, :-1] += off[:, None] * directions
    pieces[:, -1] -= off * np.einsum("nd,nd->n", directions, points)
    return points, pieces, errors


def widest_parts(
    low: Array, high: Array, origins: Array, directions: Array, planes: Array
) -> tuple[Array, Array]:
    """Return the widest part, in arctan t, of each stretch (low, high) of a line between hyperplanes."""
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = -(homogeneous(origins) @ planes.T) / (directions @ planes[:, :-1].T)
    inside = np.clip(np.nan_to_num(crossing, nan=np.inf), low[:, None], high[:, None])
    ends = np.sort(np.column_stack([low, inside, high]), axis=1)
    widest = np.argmax(np.diff(np.arctan(ends), axis=1), axis=1)
    own = np.arange(len(ends))
    return ends[own, widest], ends[own, widest + 1]
