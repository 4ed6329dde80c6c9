"""Inputs at which few features are far up or down: there a unit behind them is on that hardly ever is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.settings import CONV_EXTREME, CONV_JUDGE, TINY

Goal = Callable[[Tensor, Tensor], Tensor]


def up_features(prefix: Prefix, lines: Lines, count: int) -> Array:
    """Return points (count, d) far up random combinations of a few features that a prefix makes.

    In a box its corners, otherwise points of many sizes.
    """
    few, sizes = some_features(prefix, lines, count), sizes_of(lines, count)
    wanted = np.where(few, lines.rng.choice([-1.0, 1.0], few.shape), 0.0)
    points = lines.inside(count)
    for _ in range(CONV_JUDGE.climbs):
        slopes = slopes_of(prefix, points, lambda z: z * torch.from_numpy(wanted))
        if lines.domain is not None:
            low, high = lines.domain
            points = np.where(slopes > 0, high, np.where(slopes < 0, low, points))
        else:
            points = sizes * normed(slopes)
    return np.asarray(points)


def few_alone(
    prefix: Prefix, lines: Lines, count: int, down: tuple[float, float] = CONV_EXTREME.down
) -> Array:
    """Return points (count, d) at which a few random features are up and as many others off as can be.

    A unit behind them that is on at no usual input is on at some of these: its few entries count that would
    turn it on. A unit that is always on is off at some. What the others weigh, down, is in powers of ten.
    """
    few = torch.from_numpy(some_features(prefix, lines, count))
    weight = torch.from_numpy(10 ** lines.rng.uniform(*down, (count, 1)))
    return climbed(prefix, lines, count, lambda z, _: torch.where(few, z, -weight * torch.clamp(z, min=0.0)))


def climbed(prefix: Prefix, lines: Lines, count: int, goal: Goal) -> Array:
    """Return points (count, d) of many sizes, moved up a goal (n, q) of features (n, q) before their ReLU.

    Steps get shorter; in a box they end at its faces. The goal is told the usual size (n, 1) of numbers.
    """
    points, sizes = lines.inside(count), sizes_of(lines, count)
    usual = torch.from_numpy(sizes / np.sqrt(prefix.size))
    if lines.domain is None:
        points = sizes * normed(points)
    for left in np.linspace(1.0, 0.0, CONV_EXTREME.climbs, endpoint=False):
        points = points + CONV_EXTREME.step * left * sizes * normed(
            slopes_of(prefix, points, lambda z: goal(z, usual))
        )
        points = np.clip(points, *lines.domain) if lines.domain is not None else sizes * normed(points)
    return np.asarray(points)


def some_features(prefix: Prefix, lines: Lines, count: int) -> Array:
    """Draw a few of the features that a prefix makes, at most `CONV_JUDGE.few`: shape (count, q), bool."""
    features = int(np.prod(prefix.map_shape(len(prefix.layers))))
    order = lines.rng.uniform(size=(count, features)).argsort(axis=1).argsort(axis=1)
    return np.asarray(order < lines.rng.integers(1, CONV_JUDGE.few + 1, (count, 1)))


def sizes_of(lines: Lines, count: int) -> Array:
    """Draw norms of points, shape (count, 1): of many powers of ten; in a box those of its points."""
    usual = np.linalg.norm(lines.inside(count), axis=1, keepdims=True)
    return np.asarray(
        usual if lines.domain is not None else usual * 10 ** lines.rng.uniform(*CONV_JUDGE.powers, (count, 1))
    )


def normed(rows: Array) -> Array:
    """Rows (n, d) of norm 1."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY))


def slopes_of(prefix: Prefix, points: Array, goal: Callable[[Tensor], Tensor]) -> Array:
    """Gradients (n, d) at points (n, d) of the sum of a goal of the last layer's z, turned and pooled."""
    x, last = prefix.images(points).requires_grad_(), prefix.layers[-1]
    with torch.enable_grad():
        z = last.pooled(last.turned(prefix.before(x)[-1])).flatten(1)
        (slopes,) = torch.autograd.grad(goal(z).sum(), x)
    return np.asarray(slopes.flatten(1).numpy())
