"""A last fit of a whole network to values that are known: Gauss-Newton, every state held.

Values are exact to rounding where gradients taken as differences are not: their error is that of a value over
the step, and steps are short in narrow pieces.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, lsqr

from divulge.arrays import Array
from divulge.reconstruction.asking.values import Values
from divulge.reconstruction.deep.last_layer import clear_of_hyperplanes
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.derivatives import Matrices, Tangents, parameters, with_parameters
from divulge.reconstruction.settings import GAUSS_NEWTON


@dataclass(frozen=True)
class Told:
    """Values of one of a copy's outputs.

    Attributes:
        output: which of the copy's.
        points: shape (n, d).
        values: shape (n,).
        rounding: largest error of each, shape (n,).
        relative: error of a value relative to what is usual where it was asked.
    """

    output: int
    points: Array
    values: Array
    rounding: Array
    relative: float

    @classmethod
    def by(cls, asked: Values, output: int) -> Told:
        """Return what an oracle's output has told so far."""
        points, values = asked.kept()
        rounding = asked.noise(np.linalg.norm(points, axis=1), values)
        return cls(output, points, values, rounding, asked.relative)

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Told:
        """Return some of them."""
        return Told(self.output, self.points[which], self.values[which], self.rounding[which], self.relative)

    def left(self, model: DeepModel) -> Array:
        """Return what a copy leaves of each value, in roundings, shape (n,)."""
        pieces = model.pieces(self.points, self.output)
        predicted = np.einsum("nd,nd->n", pieces[:, :-1], self.points) + pieces[:, -1]
        return np.asarray((self.values - predicted) / self.rounding)

    def clear_of(self, model: DeepModel) -> Told:
        """Return those that are clear of a copy's hyperplanes."""
        return self.take(clear_of_hyperplanes(model.prefix, model.layer, self.points, GAUSS_NEWTON.clearance))

    def telling(self, model: DeepModel, count: int, rng: np.random.Generator) -> Told:
        """Return at most so many, a half at random and a half where the copy is off most."""
        told = self.clear_of(model)
        if len(told.values) <= count:
            return told
        order = rng.permutation(len(told.values))
        rest = order[count // 2 :]
        off = np.abs(told.take(rest).left(model))
        off[off * told.relative > GAUSS_NEWTON.missing_unit] = 0.0
        return told.take(np.append(order[: count // 2], rest[np.argsort(-off)[: count - count // 2]]))


def polish(model: DeepModel, told: list[Told], slope: bool) -> DeepModel:
    """Refit all parameters to values of every output; return the model that fits them best.

    Args:
        model: nearly right.
        told: the values, of each of its outputs at least once.
        slope: whether the linear part beside the last hidden layer is refitted, too.
    """
    if not any(len(part.values) for part in told):
        return model
    best, least, most, iterations = model, np.inf, 0.0, 0
    for _ in range(GAUSS_NEWTON.rounds):
        left = np.concatenate([part.left(model) for part in told])
        most = most or max(
            GAUSS_NEWTON.outlying * float(np.median(np.abs(left))),
            GAUSS_NEWTON.missing_unit / told[0].relative,
        )
        error = float(np.mean(np.log1p(np.abs(left))))  # one value far off weighs little, and so do roundings
        if not error < least - GAUSS_NEWTON.little:
            break
        best, least = model, error
        if iterations >= GAUSS_NEWTON.most_iterations:
            break
        model, taken = stepped(model, told, np.where(np.abs(left) <= most, left, 0.0), slope)
        iterations += taken
    return best


def misfit(model: DeepModel, told: list[Told]) -> float:
    """Return the mean logarithm of an error in roundings: one value far off weighs little."""
    return float(np.mean(np.log1p(np.abs(np.concatenate([part.left(model) for part in told])))))


def stepped(model: DeepModel, told: list[Told], left: Array, slope: bool) -> tuple[DeepModel, int]:
    """Take one Gauss-Newton step; return the model and how many iterations it took.

    A step of one likely error of a parameter costs as much as an error of one rounding, so that a parameter
    that no value shows well, of a unit that is hardly ever on, stays where it is. Parameters are whitened,
    which is what makes the iterations few.

    Args:
        model: where to begin.
        told: the values.
        left: what is left of them, in roundings, shape (all values,); where it is 0 they count for nothing.
        slope: whether the linear part is free.
    """
    now = parameters(model, slope)
    prior = GAUSS_NEWTON.likely_error * float(np.sqrt(np.mean(flat(now) ** 2)))
    tangents = [Tangents.at(model, part.points, part.output, slope) for part in told]
    rows = np.cumsum([len(part.values) for part in told])
    weights = [(on != 0) / part.rounding for part, on in zip(told, np.split(left, rows[:-1]), strict=True)]
    white = Whitening.of(now, tangents, weights, prior)

    def forward(numbers: Array) -> Array:
        moves = white.unwhitened(numbers)
        parts = [w * t.forward(moves) for t, w in zip(tangents, weights, strict=True)]
        return np.concatenate([*parts, flat(moves) / prior])

    def backward(errors: Array) -> Array:
        *parts, own = np.split(errors, rows)
        total = own / prior
        for t, w, part in zip(tangents, weights, parts, strict=True):
            total = total + flat(t.backward(w * part))
        return white.transposed(shaped(total, now))

    size = flat(now).size
    operator = LinearOperator((int(rows[-1]) + size, size), matvec=forward, rmatvec=backward, dtype=float)
    wanted = np.concatenate([left, np.zeros(size)])
    found, _, taken = lsqr(
        operator, wanted, atol=0.0, btol=GAUSS_NEWTON.solved, conlim=0.0, iter_lim=GAUSS_NEWTON.iterations
    )[:3]
    moves = white.unwhitened(found)
    return with_parameters(model, [a + b for a, b in zip(now, moves, strict=True)]), int(taken)


@dataclass(frozen=True)
class Whitening:
    """A change of variables in which least squares are easy.

    The parameters of the last matrices are whitened together, those of the others unit by unit.

    Attributes:
        like: matrices of the parameters' shapes.
        units: a factor for each unit of the first matrices, (units, m, m) each.
        joint: one for all parameters of the other matrices, shape (c, c).
    """

    like: Matrices
    units: list[Array]
    joint: Array

    @classmethod
    def of(cls, like: Matrices, tangents: list[Tangents], weights: list[Array], prior: float) -> Whitening:
        """Whiten for values weighted so."""
        sizes = np.cumsum([matrix.size for matrix in like][::-1])[::-1]
        first = int((sizes > GAUSS_NEWTON.most_joint).sum())
        blocks = zip(*(t.squares(w)[:first] for t, w in zip(tangents, weights, strict=True)), strict=True)
        units = [whitening(np.sum(block, axis=0), prior) for block in blocks]
        if first == len(like):
            return cls(like, units, np.zeros((0, 0)))
        joint = np.sum([t.joint_square(w, first) for t, w in zip(tangents, weights, strict=True)], axis=0)
        return cls(like, units, whitening(joint[None], prior)[0])

    def unwhitened(self, numbers: Array) -> Matrices:
        """Return the change of the parameters that numbers (all parameters,) stand for."""
        matrices, first = shaped(numbers, self.like), len(self.units)
        own = [np.einsum("umn,un->um", f, m) for f, m in zip(self.units, matrices, strict=False)]
        return [*own, *shaped(self.joint @ flat(matrices[first:]), self.like[first:])]

    def transposed(self, matrices: Matrices) -> Array:
        """Apply the transposed of `unwhitened`."""
        own = [np.einsum("umn,um->un", f, m) for f, m in zip(self.units, matrices, strict=False)]
        return np.concatenate([flat(own), self.joint.T @ flat(matrices[len(self.units) :])])


def whitening(squares: Array, prior: float) -> Array:
    """Return for each block A (m, m) a matrix P with P^T (A + I / prior^2) P = I, shape (units, m, m)."""
    own = np.arange(squares.shape[-1])
    squares = squares.copy()
    squares[:, own, own] = squares[:, own, own] * (1 + GAUSS_NEWTON.ridge) + 1 / prior**2
    return np.asarray(np.linalg.inv(np.linalg.cholesky(squares)).transpose(0, 2, 1))


def flat(matrices: Iterable[Array]) -> Array:
    """Return all numbers in a row."""
    return np.concatenate([np.empty(0), *(matrix.reshape(-1) for matrix in matrices)])


def shaped(numbers: Array, like: Matrices) -> Matrices:
    """Undo `flat`."""
    ends = np.cumsum([matrix.size for matrix in like])
    return [numbers[end - m.size : end].reshape(m.shape) for end, m in zip(ends, like, strict=True)]
