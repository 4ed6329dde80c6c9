"""Where a copy is wrong: what is missing there is near, and its kinks lie on the way to where it switches."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.convolutional.network import ConvNetwork
from divulge.reconstruction.convolutional.walk import Answer, Kink, Walk
from divulge.reconstruction.settings import CONV_MISSES, TINY


def wrong_rows(network: ConvNetwork, transcript: Transcript, rows: Index, tolerance: float) -> Index:
    """Return those of answers that a copy does not give, more and less wrong ones by turns."""
    gradients = transcript.pieces[rows, :-1]
    off = gaps(network, transcript.points[rows, :-1], gradients) / max(float(np.abs(gradients).max()), TINY)
    wrong = np.flatnonzero(off > tolerance)
    order = rows[wrong[np.argsort(off[wrong])]]
    return np.asarray(order[np.argsort(np.arange(1, len(order) + 1) * CONV_MISSES.golden % 1.0)])


def gaps(network: ConvNetwork, points: Array, gradients: Array) -> Array:
    """Return how far a copy's gradients at points (n, d) are from those answered (n, d): shape (n,)."""
    _, own = network.answers(points, 0)
    return np.asarray(np.abs(own - gradients).max(axis=1))


def kinks_behind(walk: Walk, network: ConvNetwork, row: int) -> list[Kink]:
    """Return kinks on the way from an answer that a copy lacks a unit at to beyond where it switches.

    What is left of gradient and value, w grad z and w z, say how far away z is 0 and in which direction.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    transcript = walk.transcript
    point, gradient = transcript.points[row, :-1], transcript.pieces[row, :-1]
    value = float(transcript.told(np.array([row]))[0])
    copied, own = network.answers(point[None], 0)
    slope, level = gradient - own[0], value - float(copied[0])
    way = -CONV_MISSES.beyond * level * slope / max(float(slope @ slope), TINY)
    length, longest = float(np.linalg.norm(way)), CONV_MISSES.longest * float(np.linalg.norm(point))
    end = point + way * min(1.0, longest / max(length, TINY))
    if walk.lines.domain is not None:
        end = np.clip(end, *walk.lines.domain)
    after = walk.ask(end[None])[0]
    return walk.isolated(Answer(point, value, gradient), after)


def kinks_towards_right(walk: Walk, network: ConvNetwork, row: int, tolerance: float) -> list[Kink]:
    """Return kinks between an answer that a copy lacks a unit at and one, the nearest, that it gives.

    The way is halved by whether the copy is right in the middle, until little but the missing unit switches.
    An answer is given where the copy is off by no more than the tolerance, of the gradient at the wrong one
    or, where that is 0, of what the copy has there.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    points, gradients = walk.transcript.points[:, :-1], walk.transcript.pieces[:, :-1]
    off = gaps(network, points, gradients)
    level = tolerance * max(float(np.abs(gradients[row]).max()), float(off[row]), TINY)
    right = np.flatnonzero(off <= level)
    if not len(right):
        return []
    away = np.linalg.norm(points[right] - points[row], axis=1)
    wrong, near = walk.answers(np.array([row, right[away.argmin()]]))
    for _ in range(CONV_MISSES.cuts):
        middle = walk.ask((wrong.point + near.point)[None] / 2)[0]
        if gaps(network, middle.point[None], middle.gradient[None])[0] > level:
            wrong = middle
        else:
            near = middle
    return walk.isolated(wrong, near)
