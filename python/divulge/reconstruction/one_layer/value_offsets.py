"""Sharper pieces and offsets, once the units are known roughly."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.values import Values
from divulge.reconstruction.network.record import homogeneous
from divulge.reconstruction.settings import OFFSETS


def widen(points: Array, planes: Array) -> tuple[Array, Array]:
    """Move points away from the hyperplanes they are close to, within their cells.

    Args:
        points: shape (n, d).
        planes: unit-norm rows (a, b) of hyperplanes a.x + b = 0, shape (h, d + 1).

    Returns:
        Points, shape (n, d), and how far along any axis their cells reach, shape (n,). Where the rows are too
        many to move from one without crossing another, the point stays.
    """
    before = homogeneous(points) @ planes.T
    aim = np.sign(before) * np.maximum(np.abs(before), OFFSETS.wide * np.median(np.abs(before)))
    moved = points + (aim - before) @ np.linalg.pinv(planes[:, :-1]).T
    after = homogeneous(moved) @ planes.T
    steepest = np.abs(planes[:, :-1]).max(axis=1)
    reach, was = ((np.abs(level) / steepest).min(axis=1) for level in (after, before))
    better = (np.sign(after) == np.sign(before)).all(axis=1) & (reach > was)
    return np.where(better[:, None], moved, points), np.where(better, reach, was)


def sharpened_offsets(values: Values, planes: Array, sizes: Array, samples: Array) -> Array:
    """Return the offsets b of hyperplanes a.x + b = 0, each met on its normal, four values each.

    Args:
        values: where to ask.
        planes: unit-norm rows (a, b) known roughly, shape (h, d + 1).
        sizes: jumps of the gradient across them, shape (h,): a walk that shows another jump is not used.
        samples: points of the domain, shape (n, d), from whose feet on a hyperplane one is taken.
    """
    feet, reach = widest_feet(planes, samples, values)
    usable = np.flatnonzero(reach > 0)
    normals = planes[usable, :-1]
    shares = np.array([-1.0, -1 / 8, 1 / 8, 1.0])
    places = reach[usable, None] * shares
    points = values.representable(
        (feet[usable, None] + places[:, :, None] * normals[:, None]).reshape(-1, planes.shape[1] - 1)
    )
    found = values.ask(points).reshape(-1, 4)
    t = np.einsum("hkd,hd->hk", points.reshape(len(usable), 4, normals.shape[1]), normals)
    before = (found[:, 1] - found[:, 0]) / (t[:, 1] - t[:, 0])
    after = (found[:, 3] - found[:, 2]) / (t[:, 3] - t[:, 2])
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = t[:, 1] + (found[:, 2] - found[:, 1] - after * (t[:, 2] - t[:, 1])) / (before - after)
    offsets = planes[:, -1].copy()
    jump = np.abs(after - before) / sizes[usable]
    good = (crossing > t[:, 1]) & (crossing < t[:, 2]) & (np.abs(jump - 1) < OFFSETS.same_jump)
    offsets[usable[good]] = -crossing[good]
    return np.asarray(offsets)


def widest_feet(planes: Array, samples: Array, values: Values) -> tuple[Array, Array]:
    """Return for each hyperplane a point on it (h, d), and how far a walk along its normal may go (h,).

    Of the feet with room enough the one nearest to the origin: an error of the row moves the hyperplane there
    least. The room is 0 where no foot lies in the domain.
    """
    samples = np.concatenate([scale * samples for scale in OFFSETS.scales])
    levels = homogeneous(samples) @ planes.T
    cosines = planes[:, :-1] @ planes[:, :-1].T
    feet, reach = np.zeros((len(planes), samples.shape[1])), np.zeros(len(planes))
    for j in range(len(planes)):
        foot = samples - levels[:, j : j + 1] * planes[j, :-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.abs((levels - levels[:, j : j + 1] * cosines[j]) / cosines[j])
        distance[:, j] = np.inf
        distance[np.isnan(distance)] = 0.0
        lengths = np.linalg.norm(foot, axis=1)
        free = np.minimum(distance.min(axis=1), lengths) * OFFSETS.share
        if values.domain is not None:
            free = np.minimum(free, room(foot, planes[j, :-1], values.domain))
        roomy = free >= OFFSETS.room * lengths
        best = int(np.argmin(np.where(roomy, lengths, np.inf)) if roomy.any() else np.argmax(free))
        feet[j], reach[j] = foot[best], max(float(free[best]), 0.0)
    return feet, reach


def room(points: Array, direction: Array, domain: tuple[Array, Array]) -> Array:
    """How far points (n, d) may move along a direction, both ways, within the box; below 0 outside it."""
    gap = np.minimum(points - domain[0], domain[1] - points)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(direction != 0, gap / np.abs(direction), np.where(gap < 0, -1.0, np.inf))
    return np.asarray(steps.min(axis=1) * OFFSETS.inside)
