"""Gradients from values: inside an affine piece a difference is exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Mask
from divulge.reconstruction.asking.values import Values
from divulge.reconstruction.settings import DIFFERENCES


def differences(
    values: Values,
    points: Array,
    radius: Array | None,
    rng: np.random.Generator,
    step: Array | None = None,
) -> tuple[Array, Array]:
    """Return gradient and offset of the affine piece around each point.

    Steps along the axes are as wide as the piece allows. Pairs of values in opposite random directions choose
    the step; one more value says afterwards whether the stencil stayed inside the piece.

    Args:
        values: where to ask.
        points: shape (n, d).
        radius: distance believed to be inside the piece, shape (n,), or None.
        rng: random directions.
        step: steps that stay inside the piece by all that is known, shape (n,), tried as they are.

    Returns:
        Pieces, shape (n, d + 1), and the rounding error of a gradient's entry, shape (n,). The error is
        infinite where no step was small enough: the point lies on a kink.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    points = values.representable(points)
    n, d = points.shape
    gradients, errors = np.zeros((n, d)), np.full(n, np.inf)
    centre = values.ask(points)
    lengths = np.linalg.norm(points, axis=1)
    noise = values.noise(lengths, centre)
    smallest = DIFFERENCES.least_step * values.precision * np.maximum(lengths, DIFFERENCES.near)
    directions = (
        0
        if step is not None
        else DIFFERENCES.directions
        if radius is None
        else min(DIFFERENCES.directions, d // 16)
    )
    step = first_steps(lengths, radius, directions) if step is None else step.copy()
    waiting = np.arange(n)
    for _ in range(DIFFERENCES.rounds):
        if not len(waiting):
            break
        step[waiting] = probed(values, points[waiting], centre[waiting], step[waiting], directions, rng)
        waiting = waiting[step[waiting] > smallest[waiting]]
        for part in parts(waiting, d):
            gradients[part] = stencil(values, points[part], centre[part], step[part])
        bent = bends(values, points[waiting], centre[waiting], gradients[waiting], step[waiting], rng)
        errors[waiting[~bent]] = noise[waiting[~bent]] / step[waiting[~bent]]
        waiting = waiting[bent]
        step[waiting] /= 2 * DIFFERENCES.shrink
    return np.column_stack([gradients, centre - np.einsum("nd,nd->n", gradients, points)]), errors


def first_steps(lengths: Array, radius: Array | None, directions: int) -> Array:
    """Return the steps to begin with: wide ones where directions are probed, safe ones elsewhere."""
    if radius is None:
        return np.asarray(np.maximum(lengths, 1.0) / 8)
    return np.asarray(radius / DIFFERENCES.shrink if directions else radius / (2 * DIFFERENCES.shrink**2))


def parts(rows: NDArray[np.intp], size: int) -> list[NDArray[np.intp]]:
    """Split rows so that a stencil for each part fits a batch."""
    count = max(1, DIFFERENCES.batch // (size * size))
    return [rows[i : i + count] for i in range(0, len(rows), count)]


def unit_directions(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return random unit vectors."""
    directions = rng.standard_normal(shape)
    return np.asarray(directions / np.linalg.norm(directions, axis=-1, keepdims=True))


def probed(
    values: Values, points: Array, centre: Array, step: Array, directions: int, rng: np.random.Generator
) -> Array:
    """Shrink the steps until f is affine along random directions through the points; two values each."""
    step = step.copy()
    lengths = np.linalg.norm(points, axis=1)
    waiting = np.arange(len(points)) if directions else np.empty(0, np.intp)
    for _ in range(DIFFERENCES.rounds):
        if not len(waiting):
            break
        moves = (
            DIFFERENCES.probe_reach
            * step[waiting][:, None, None]
            * unit_directions((len(waiting), directions, points.shape[1]), rng)
        )
        moves = moves.reshape(-1, points.shape[1])
        there = np.repeat(points[waiting], directions, axis=0)
        moves = inward(values, there, moves)
        other = -1.0 if values.domain is None else 0.5
        one, two = values.ask(np.concatenate([there + moves, there + other * moves])).reshape(2, -1)
        middle = np.repeat(centre[waiting], directions)
        noise = values.noise(np.repeat(lengths[waiting], directions) + np.linalg.norm(moves, axis=1), middle)
        bent = np.abs(two - middle - other * (one - middle)) > 4 * noise
        waiting = waiting[bent.reshape(-1, directions).any(axis=1)]
        step[waiting] /= DIFFERENCES.shrink
    return step


def stencil(values: Values, points: Array, centre: Array, step: Array) -> Array:
    """Differences along every axis: shape (n, d)."""
    n, d = points.shape
    there = np.repeat(points, d, axis=0).reshape(n, d, d)
    axes = np.arange(d)
    there[:, axes, axes] += signed(values, points, step)
    there = values.representable(there.reshape(n * d, d)).reshape(n, d, d)
    moved = there[:, axes, axes] - points
    found = values.ask(there.reshape(n * d, d), keep=False)  # so close together they tell a fit little
    return np.asarray((found.reshape(n, d) - centre[:, None]) / moved)


def signed(values: Values, points: Array, step: Array) -> Array:
    """Return the steps (n, d) along the axes, those that would leave the domain the other way."""
    steps = np.broadcast_to(step[:, None], points.shape)
    if values.domain is None:
        return steps
    low, high = values.domain
    up, down = high - points, points - low
    return np.where(up >= np.minimum(down, steps), np.minimum(steps, up), -np.minimum(steps, down))


def inward(values: Values, points: Array, moves: Array) -> Array:
    """Return moves (n, d) that stay in the domain, coordinates turned round or cut short."""
    if values.domain is None:
        return moves
    low, high = values.domain
    turned = np.where((points + moves < low) | (points + moves > high), -moves, moves)
    return np.clip(points + turned, low, high) - points


def bends(
    values: Values, points: Array, centre: Array, gradients: Array, step: Array, rng: np.random.Generator
) -> Mask:
    """Whether one more value, in a random direction, is another than the gradient says: shape (n,)."""
    moves = inward(values, points, step[:, None] / 2 * unit_directions(points.shape, rng))
    there = values.representable(points + moves)
    moves = there - points
    expected = centre + np.einsum("nd,nd->n", gradients, moves)
    lengths = np.linalg.norm(moves, axis=1)
    noise = values.noise(np.linalg.norm(points, axis=1) + lengths, centre)
    shared = np.abs(moves.sum(axis=1)) / step  # an error of the centre is in every difference
    return np.asarray(np.abs(values.ask(there) - expected) > noise * (4 + 4 * lengths / step + shared))
