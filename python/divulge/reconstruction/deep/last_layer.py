"""The last hidden layer and the outputs: one hidden layer over the features of all layers before.

    f_k(x) = sum_j w_kj max(r_j . p + b_j, 0) + V_k . p + c_k,   p = features(x).

With any orientation of the units that is exact, V taking up what a turned unit leaves; w, V and c follow from
pieces by linear least squares. The orientation is then decided as for a single hidden layer: V must vanish.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lstsq

from divulge.arrays import Array, Index
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import LAST_LAYER, RANK, SEARCHED_LINES, TINY


def as_layer(units: Candidates) -> Layer:
    """Return the units as a hidden layer over the features, no output known yet."""
    width = units.rows.shape[1] + 1
    rows = np.column_stack([units.rows, units.offsets])
    return Layer(rows, np.zeros((0, len(units))), np.zeros((0, width)))


@dataclass(frozen=True)
class Design:
    """Points at which an output is told, and the combinations of gradient entries that are used there.

    Attributes:
        points: shape (n, d).
        sketch: random directions at each point, or None for all of the gradient, shape (n, q, d).
    """

    points: Array
    sketch: Array | None

    @classmethod
    def of(cls, points: Array, unknowns: int) -> Design:
        """Use about three times as many equations as there are unknowns."""
        size = points.shape[1]
        each = 2 + 3 * unknowns // max(len(points), 1)
        if each >= size:
            return cls(points, None)
        rng = np.random.default_rng(len(points))
        return cls(points, rng.standard_normal((len(points), each, size)) / np.sqrt(size))

    def equations(self, prefix: Prefix, layer: Layer, with_slope: bool) -> Array:
        """Return the matrix that maps (w, V, c), or (w, c), to sketched gradients and values.

        Shape (n (q + 1), h + p + 1) or (n (q + 1), h + 1); a value's row follows its gradient's rows.
        """
        features = prefix.features(self.points)
        levels = features @ layer.rows[:, :-1].T + layer.rows[:, -1]
        on = levels > 0
        jacobians = self.sketched(prefix)  # (n, p, q)
        slopes = np.matmul(layer.rows[:, :-1], jacobians).transpose(0, 2, 1) * on[:, None]
        blocks = [np.concatenate([slopes, (levels * on)[:, None]], axis=1)]
        if with_slope:
            blocks.append(np.concatenate([jacobians.transpose(0, 2, 1), features[:, None]], axis=1))
        one = np.zeros((*blocks[0].shape[:2], 1))
        one[:, -1] = 1.0
        matrix = np.concatenate([*blocks, one], axis=2)
        matrix[:, -1] *= self.nearness[:, None]
        return matrix.reshape(-1, matrix.shape[2])

    @property
    def nearness(self) -> Array:
        """Factors of values, shape (n,): 1 at usual points, less far out, where they outweigh gradients."""
        far = np.linalg.norm(self.points, axis=1) / (SEARCHED_LINES.usual * np.sqrt(self.points.shape[1]))
        return np.asarray(1 / np.maximum(far, 1.0))

    def solve(
        self, prefix: Prefix, layer: Layer, pieces: Array, with_slope: bool, blunt: bool
    ) -> tuple[Array, float]:
        """Return the output that explains pieces (n, d + 1), and its relative residual.

        Where answers are blunt, points that are explained much worse than most are left out: one is on the
        wrong side of a hyperplane that is known roughly. They stay where they alone show a unit on, or off.
        """
        matrix, right = self.equations(prefix, layer, with_slope), self.answers(pieces)
        solution, error, rank = solve(matrix, right)
        for _ in range(LAST_LAYER.trims if blunt else 0):
            off = np.linalg.norm((matrix @ solution - right).reshape(len(pieces), -1), axis=1)
            kept = off <= LAST_LAYER.worse * np.median(off)
            if kept.mean() < LAST_LAYER.kept:
                break  # no few on a wrong side: what is fitted is wrong
            kept = np.repeat(kept, len(right) // max(1, len(pieces)))
            trimmed, off_by, left = solve(matrix[kept], right[kept])
            if left < rank:
                break
            solution, error = trimmed, off_by
        return solution, error

    def determines(self, prefix: Prefix, layer: Layer, with_slope: bool = True) -> bool:
        """Whether pieces at the points leave no output weight open, nor the linear part if there is one."""
        matrix = self.equations(prefix, layer, with_slope)
        scale = np.linalg.norm(matrix, axis=0)
        if not scale.all():
            return False
        return bool(np.linalg.matrix_rank(matrix / scale, tol=LAST_LAYER.open) == matrix.shape[1])

    def sketched(self, prefix: Prefix) -> Array:
        """Return the features' derivatives along the sketch's directions, shape (n, p, q)."""
        if self.sketch is None:
            return prefix.jacobians(self.points)
        return prefix.along(self.points, self.sketch.transpose(0, 2, 1))

    def answers(self, pieces: Array) -> Array:
        """Return sketched gradients and values of pieces (n, d + 1) in the order of the equations."""
        gradients = pieces[:, :-1]
        values = np.einsum("nd,nd->n", gradients, self.points) + pieces[:, -1]
        if self.sketch is not None:
            gradients = np.einsum("nqd,nd->nq", self.sketch, gradients)
        return np.column_stack([gradients, values * self.nearness]).reshape(-1)


def solve(matrix: Array, right: Array) -> tuple[Array, float, int]:
    """Return the least-squares solution, its relative residual, and the rank of the matrix."""
    scale = np.linalg.norm(matrix, axis=0)
    scale[scale == 0] = 1.0
    scaled, _, rank, _ = lstsq(matrix / scale, right, cond=RANK, lapack_driver="gelsy")
    solution = scaled / scale
    error = float(np.linalg.norm(matrix @ solution - right) / max(np.linalg.norm(right), TINY))
    return solution, error, int(rank)


def with_output(layer: Layer, solution: Array, with_slope: bool) -> Layer:
    """Append an output to the layer."""
    h, width = len(layer), layer.rows.shape[1]
    base = np.zeros(width)
    base[-1] = solution[-1]
    if with_slope:
        base[:-1] = solution[h:-1]
    return Layer(
        layer.rows,
        np.concatenate([layer.weights, solution[None, :h]]),
        np.concatenate([layer.base, base[None]]),
    )


def telling_points(
    prefix: Prefix, layer: Layer, points: Array, count: int, clearance: float = LAST_LAYER.clearance
) -> Index:
    """Choose points at which every unit is on and off and every feature active, at least `count`.

    Points close to a hyperplane of the network are left out: their side may be misjudged. Of the others each
    next one is that which shows most of what has not been seen often enough, the first of equals.
    """
    usable = np.flatnonzero(clear_of_hyperplanes(prefix, layer, points, clearance))
    features = prefix.features(points[usable])
    on = features @ layer.rows[:, :-1].T + layer.rows[:, -1] > 0
    states = np.concatenate([on, ~on, features > 0], axis=1).astype(float)
    missing = np.minimum(LAST_LAYER.seen, states.sum(axis=0))
    left = np.ones(len(usable), bool)
    chosen: list[int] = []
    while left.any() and (len(chosen) < count or missing.any()):
        best = int(np.argmax(np.where(left, states @ missing, -1.0)))
        missing = np.maximum(missing - states[best], 0.0)
        left[best] = False
        chosen.append(best)
    return usable[chosen]


def clear_of_hyperplanes(
    prefix: Prefix, layer: Layer, points: Array, clearance: float = LAST_LAYER.clearance
) -> NDArray[np.bool_]:
    """Whether points keep a relative distance from the hyperplanes of all units, shape (n,)."""
    clear, features = np.ones(len(points), bool), points
    last = Dense(layer.rows[:, :-1], layer.rows[:, -1])
    for dense in [*prefix.layers, last]:
        levels = dense.levels(features)
        size = np.linalg.norm(dense.rows, axis=1) * np.linalg.norm(features, axis=1)[:, None]
        away = np.abs(levels) > clearance * (size + np.abs(dense.offsets))
        clear &= away[:, : dense.units].all(axis=1)
        features = dense.outputs(levels)
    return clear
