"""A last fit of a whole network to values that are known: Gauss-Newton, every state held.

Values are exact to rounding where gradients taken as differences are not: their error is that of a value over
the step, and steps are short in narrow pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from divulge.reconstruct.deep.last import clear_of_hyperplanes
from divulge.reconstruct.deep.model import DeepModel
from divulge.reconstruct.deep.prefix import Dense, Prefix
from divulge.reconstruct.layer import Layer
from divulge.reconstruct.values.asking import Values

Array = NDArray[np.float64]

ROUNDS = 8
OUTLYING = 1e2  # usual errors from which on a value is left out of the fit,
MISSING_UNIT = 1e-5  # but only where it is off by more than this: less is no unit's absence
LITTLE = 1e-3  # gain from which on another round is worth it: mean logarithm of an error in roundings
CLEARANCE = 1e-4  # relative distance from hyperplanes: nearer a point's side may be misjudged
LIKELY_ERROR = 1e-6  # of a parameter, relative to the usual one


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

    def off(self, model: DeepModel) -> Array:
        """Return by how many roundings a copy misses each value, shape (n,)."""
        pieces = model.pieces(self.points, self.output)
        predicted = np.einsum("nd,nd->n", pieces[:, :-1], self.points) + pieces[:, -1]
        return np.asarray(np.abs(predicted - self.values) / self.rounding)

    def telling(self, model: DeepModel, count: int, rng: np.random.Generator) -> Told:
        """Return at most so many, a half at random and a half where the copy is off most."""
        told = self.take(clear_of_hyperplanes(model.prefix, model.layer, self.points, CLEARANCE))
        if len(told.values) <= count:
            return told
        order = rng.permutation(len(told.values))
        rest = order[count // 2 :]
        off = told.take(rest).off(model)
        off[off * told.relative > MISSING_UNIT] = 0.0
        return told.take(np.append(order[: count // 2], rest[np.argsort(-off)[: count - count // 2]]))


@dataclass(frozen=True)
class Free:
    """Which parameters are refitted.

    Attributes:
        first: the first hidden layer that is; those before it are held.
        slope: whether the affine part beside the last hidden layer is, too.
    """

    first: int
    slope: bool


def polish(model: DeepModel, told: list[Told], free: Free) -> DeepModel:
    """Refit parameters to values of every output; return the model that fits them best.

    Args:
        model: nearly right.
        told: the values, of each of its outputs at least once.
        free: what is refitted.
    """
    if not any(len(part.values) for part in told):
        return model
    best, least, most = model, np.inf, 0.0
    weights = np.concatenate([1 / part.rounding for part in told])
    found = np.concatenate([part.values for part in told])
    for _ in range(ROUNDS):
        parts = [derivatives(model, part.points, part.output, free) for part in told]
        predicted, jacobian = (np.concatenate(part) for part in zip(*parts, strict=True))
        left = (found - predicted) * weights
        most = most or max(OUTLYING * float(np.median(np.abs(left))), MISSING_UNIT / told[0].relative)
        error = float(np.mean(np.log1p(np.abs(left))))  # one value far off weighs little, and so do roundings
        if not error < least - LITTLE:
            break
        best, least = model, error
        trusted = (np.abs(left) <= most) * weights  # elsewhere a unit is missing
        prior = LIKELY_ERROR * float(np.sqrt(np.mean(parameters(model, free) ** 2)))
        step = solve(jacobian * trusted[:, None], (found - predicted) * trusted, prior)
        model = stepped(model, step, free)
    return best


def solve(jacobian: Array, left: Array, prior: float) -> Array:
    """Least squares with a prior: a step of length `prior` costs as much as an error of one rounding.

    So a parameter that no value shows well, of a unit that is hardly ever on, stays where it is.
    """
    size = jacobian.shape[1]
    matrix = np.concatenate([jacobian, np.eye(size) / prior])
    scale = np.linalg.norm(matrix, axis=0)
    right = np.concatenate([left, np.zeros(size)])
    triangle = np.asarray(np.linalg.qr(np.column_stack([matrix / scale, right]), mode="r"))
    return np.asarray(solve_triangular(triangle[:-1, :-1], triangle[:-1, -1]) / scale)


def layers_of(model: DeepModel) -> list[Dense]:
    """All hidden layers, the last one too."""
    return [*model.prefix.layers, Dense(model.layer.rows[:, :-1], model.layer.rows[:, -1])]


def parameters(model: DeepModel, free: Free) -> Array:
    """The free parameters in a row: each layer's rows and offsets, the outputs' weights and affine parts."""
    base = model.layer.base if free.slope else model.layer.base[:, -1:]
    parts = [part for layer in layers_of(model)[free.first :] for part in (layer.rows, layer.offsets)]
    return np.concatenate([part.reshape(-1) for part in (*parts, model.layer.weights, base)])


def stepped(model: DeepModel, step: Array, free: Free) -> DeepModel:
    """Return the model after a step of its free parameters."""
    values, place = parameters(model, free) + step, 0

    def taken(old: Array) -> Array:
        nonlocal place
        place += old.size
        return values[place - old.size : place].reshape(old.shape)

    layers = layers_of(model)
    for number in range(free.first, len(layers)):
        rows = taken(layers[number].rows)
        layers[number] = Dense(rows, taken(layers[number].offsets))
    weights, base = taken(model.layer.weights), model.layer.base.copy()
    start = 0 if free.slope else -1
    base[:, start:] = taken(base[:, start:])
    last = Layer(np.column_stack([layers[-1].rows, layers[-1].offsets]), weights, base)
    return DeepModel(Prefix(model.prefix.input_size, layers[:-1]), last)


def derivatives(model: DeepModel, points: Array, output: int, free: Free) -> tuple[Array, Array]:
    """Return an output at points (n, d), (n,), and its derivatives by the free parameters, (n, p)."""
    layers, inputs, states = layers_of(model), [points], []
    for layer in layers:
        levels = layer.levels(inputs[-1])
        states.append((levels > 0).astype(float))
        inputs.append(np.maximum(levels, 0.0))
    beside = np.column_stack([inputs[-2], np.ones(len(points))])
    values = inputs[-1] @ model.layer.weights[output] + beside @ model.layer.base[output]
    back = model.layer.weights[output] * states[-1]
    parts: list[Array] = []
    for place in range(len(layers) - 1, free.first - 1, -1):
        parts = [(back[:, :, None] * inputs[place][:, None]).reshape(len(points), -1), back, *parts]
        if place:
            into = back @ layers[place].rows
            if place == len(layers) - 1:
                into = into + model.layer.base[output, :-1]
            back = into * states[place - 1]
    for value in (inputs[-1], beside if free.slope else beside[:, -1:]):
        own = np.zeros((len(points), len(model.layer.weights), value.shape[1]))
        own[:, output] = value
        parts.append(own.reshape(len(points), -1))
    return values, np.concatenate(parts, axis=1)
