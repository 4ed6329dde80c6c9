"""What answers say of the weights of features: linear equations, solved by least squares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dgeqrf

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.linearised import Moving
from divulge.reconstruction.settings import CONV_LAST, TINY


@dataclass(frozen=True)
class Solution:
    """Weights of features, and what they leave of answers.

    Attributes:
        weights: of each feature, then the output's bias, shape (q + 1, outputs).
        seen: which features are on at some answer, shape (q,).
        residual: relative.
        needed: which features, and 1, others before them do not make up, shape (q + 1,).
    """

    weights: Array
    seen: NDArray[np.bool_]
    residual: float
    needed: NDArray[np.bool_]

    @property
    def unique(self) -> bool:
        """Whether no other weights do as well."""
        return bool(self.needed[:-1][self.seen].all())


class Equations:
    """What the answers at points say of the weights of features; what was worked out for a point is kept.

    Args:
        prefix: the known layers.
        features: what features are at a point (d,), and how they change.
        pixels: numbers of an input (m,) that alone change; then gradients are all that counts.
        most: equations for each unknown that are solved; all there are where it is infinite.

    Attributes:
        count: how many features there are, known after the first point.
    """

    def __init__(
        self,
        prefix: Prefix,
        features: Callable[[Array], Moving],
        pixels: Index | None = None,
        most: float = CONV_LAST.most_equations,
    ) -> None:
        self.prefix = prefix
        self.features = features
        self.pixels = pixels
        self.most = most
        self.count = 0
        self._kept: dict[bytes, tuple[Index, Array]] = {}

    def at(self, point: Array) -> tuple[Index, Array]:
        """Return the features that are on at a point (d,), and their equations (d + 1 or m, on)."""
        key = point.tobytes()
        if key not in self._kept:
            now = self.features(point)
            values, rows = now.values(), now.rows()
            seen = values if self.pixels is None else np.any(rows != 0, axis=1)
            on, self.count = np.flatnonzero(seen), len(values)
            level = values[None, on] / size_of(point) if self.pixels is None else np.empty((0, len(on)))
            self._kept[key] = on, np.concatenate([rows[on].T, level])
        return self._kept[key]

    def _drawn(self, parts: Sequence[tuple[Index, Array]], height: int) -> list[Index]:
        """Return which of the equations of each point are solved, the last one always.

        Where there are many more than unknowns some are drawn at random: for a feature that is on at n points
        1 / n of `most` at each.
        """
        if self.pixels is not None or np.isinf(self.most):
            return [np.arange(height)] * len(parts)
        times = np.bincount(np.concatenate([on for on, _ in parts]), minlength=self.count)
        rng = np.random.default_rng(height)
        drawn = []
        for on, _ in parts:
            kept = min(int(self.most * (1 / times[on]).sum()) + 1, height - 1)
            drawn.append(np.append(np.sort(rng.permutation(height - 1)[:kept]), height - 1))
        return drawn

    def solve(self, points: Array, gradients: Array, values: Array) -> Solution:
        """Solve for the weights.

        Args:
            points: shape (n, d).
            gradients: of every output, shape (n, d or m, outputs).
            values: shape (n, outputs).
        """
        parts = [self.at(point) for point in points]
        told = gradients
        if self.pixels is None:
            levels = [value / size_of(point) for value, point in zip(values, points, strict=True)]
            told = np.concatenate([gradients, np.stack(levels)[:, None]], axis=1)
        drawn = self._drawn(parts, told.shape[1])
        system = np.zeros((sum(map(len, drawn)), self.count + 1))
        end = 0
        for (on, part), rows, point in zip(parts, drawn, points, strict=True):
            first, end = end, end + len(rows)
            system[first:end, on] = part[rows]
            if self.pixels is None:
                system[end - 1, -1] = 1 / size_of(point)
        told = np.concatenate([each[rows] for each, rows in zip(told, drawn, strict=True)])
        sizes = np.linalg.norm(system, axis=0)
        seen = sizes > 0
        scaled = system[:, seen] / sizes[seen]
        found, needed = least_squares(scaled, told)
        left = np.linalg.norm(scaled @ found - told) / max(float(np.linalg.norm(told)), TINY)
        weights = np.zeros((len(seen), told.shape[1]))
        weights[seen] = found / sizes[seen, None]
        alone = np.zeros(len(seen), bool)
        alone[seen] = needed
        return Solution(weights, seen[:-1], float(left), alone)


def size_of(point: Array) -> float:
    """By what a value at a point (d,) is divided: then it is as large, and as far off, as gradients are."""
    return max(float(np.linalg.norm(point)), 1.0)


def upper_triangle(matrix: Array) -> Array:
    """Return R of a matrix (m, n) = Q R, shape (min(m, n), n)."""
    packed, _, _, _ = dgeqrf(np.asfortranarray(matrix), overwrite_a=1)
    return np.triu(packed[: min(matrix.shape)])


def least_squares(columns: Array, wanted: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Solve columns (m, q) of norm 1 for wanted (m, outputs).

    A column that those before it make up takes no part: its weights are 0.

    Returns:
        Weights, shape (q, outputs), and which columns take part, shape (q,).
    """
    needed = np.ones(columns.shape[1], bool)
    for _ in range(2):  # a column that is none leaves rounding behind in those after it: without it once more
        kept = columns[:, needed]
        count = kept.shape[1]
        corner = upper_triangle(np.column_stack([kept, wanted]))
        sizes = np.abs(np.diag(corner))[:count]
        idle = np.append(sizes, np.zeros(count - len(sizes))) <= CONV_LAST.null
        if not idle.any():
            break
        needed[np.flatnonzero(needed)[idle]] = False
    count = int(needed.sum())
    found = np.zeros((len(needed), wanted.shape[1]))
    kept, corner = columns[:, needed], corner[:count]
    if corner.shape[1] != count + wanted.shape[1]:
        return found, np.zeros_like(needed)
    found[needed] = solve_triangular(corner[:, :count], corner[:, count:])
    rest = kept.T @ (wanted - kept @ found[needed])
    halfway = solve_triangular(corner[:, :count], rest, trans="T")
    found[needed] += solve_triangular(corner[:, :count], halfway)
    return found, needed


def enough(prefix: Prefix, unknowns: int) -> int:
    """How many answers have equations enough for so many unknowns."""
    return int(CONV_LAST.equations * unknowns / (prefix.size + 1)) + 2


def layer_matrix(layer: ConvLayer, shape: tuple[int, int, int]) -> Array:
    """A layer as rows over the features (C, H, W) it is given and 1: shape (units, features + 1)."""
    size = int(np.prod(shape))
    with torch.no_grad():
        units = torch.eye(size, dtype=torch.float64).reshape(size, *shape)
        zero = layer.before(torch.zeros(1, *shape, dtype=torch.float64)).flatten(1)
        slopes = layer.before(units).flatten(1) - zero
    return np.concatenate([slopes.numpy().T, zero.numpy().T], axis=1)


def answered(transcript: Transcript, points: Array) -> Index:
    """Return the rows of the answers at points (n, d), asking where there is none.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    known = {point.tobytes(): row for row, point in enumerate(transcript.points[:, :-1])}
    points = transcript.asked.representable(points)
    fresh = [point for point in points if point.tobytes() not in known]
    if fresh:
        rows = transcript.ask(np.stack(fresh))
        known |= {point.tobytes(): int(row) for point, row in zip(fresh, rows, strict=True)}
    return np.array([known[point.tobytes()] for point in points], np.intp)
