"""NSGA-II's order of candidates, for many populations at once: fronts, then how alone a candidate is."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index, Mask

_LAST = 10**6  # before every front of candidates


def dominates(objectives: Array) -> Mask:
    """Return which candidate is at least as good in all objectives and better in one.

    Args:
        objectives: to be small, shape (P, n, m).

    Returns:
        Shape (P, n, n): whether i dominates j.
    """
    better = np.zeros((len(objectives), objectives.shape[1], objectives.shape[1]), bool)
    worse = np.zeros_like(better)
    for part in np.moveaxis(objectives, 2, 0):
        better |= part[:, :, None] < part[:, None, :]
        worse |= part[:, :, None] > part[:, None, :]
    return np.asarray(better & ~worse)


def fronts(objectives: Array) -> Index:
    """Return the front (P, n), from 0, that each candidate with objectives (P, n, m) is in."""
    above = dominates(objectives)
    found = np.full(objectives.shape[:2], -1, np.intp)
    left = np.ones(objectives.shape[:2], bool)
    for front in range(objectives.shape[1]):
        beaten = (above & left[:, :, None]).any(axis=1)
        now = left & ~beaten
        found[now] = front
        left &= beaten
        if not left.any():
            break
    return found


def penalised(front: Index, miss: Array, epsilon: float, repeated: Mask) -> Index:
    """Return fronts (P, n) with candidates that miss by more than epsilon after all others, by their miss.

    Repeated candidates come last.
    """
    place = np.array(front, np.intp)
    wrong = miss > epsilon
    order = np.argsort(np.argsort(miss, axis=1, kind="stable"), axis=1)
    place[wrong] = front.shape[1] + order[wrong]
    place[repeated] = _LAST
    return place


def repeats(candidates: Array) -> Mask:
    """Return which of candidates (P, n, d) is the same as one before it, shape (P, n)."""
    found = np.zeros(candidates.shape[:2], bool)
    for place in range(1, candidates.shape[1]):
        same = (candidates[:, :place] == candidates[:, place, None]).all(axis=2)
        found[:, place] = same.any(axis=1)
    return found


def crowding(objectives: Array, candidates: Array, front: Index) -> Array:
    """Return how alone each candidate is among its front, larger is better, shape (P, n).

    The sum of two ranks: of the distance to both neighbours in each objective's order, over the
    objective's range, summed over objectives, infinite at the ends; and of the mean distance of the
    candidates' columns to these neighbours.

    Args:
        objectives: shape (P, n, m).
        candidates: each column in parts of its range, shape (P, n, d).
        front: shape (P, n).
    """
    among, apart = np.zeros(front.shape), np.zeros(front.shape)
    for part in np.moveaxis(objectives, 2, 0):
        order = np.lexsort((part, front), axis=1)
        value, number = np.take_along_axis(part, order, 1), np.take_along_axis(front, order, 1)
        rows = np.take_along_axis(candidates, order[:, :, None], 1)
        extent = np.ptp(part, axis=1)[:, None] + 1e-300
        inside = number[:, 1:] == number[:, :-1]
        gap = np.where(inside, (value[:, 1:] - value[:, :-1]) / extent, np.inf)
        way = np.where(inside, np.abs(rows[:, 1:] - rows[:, :-1]).mean(axis=2), 1.0)
        near = _either_side(gap, np.inf)
        far = _either_side(way, 1.0)
        back = np.argsort(order, axis=1)
        among += np.take_along_axis(near, back, 1)
        apart += np.take_along_axis(far, back, 1)
    return _ranks(among, front) + _ranks(apart, front)


def _either_side(between: Array, end: float) -> Array:
    """Add what lies between neighbours (P, n - 1) to both, shape (P, n), with another number at the ends."""
    edge = np.full((len(between), 1), end)
    return np.asarray(np.concatenate([edge, between], 1) + np.concatenate([between, edge], 1))


def _ranks(numbers: Array, front: Index) -> Array:
    """The rank (P, n) of each number among those of its front, ties alike."""
    same = front[:, :, None] == front[:, None, :]
    return np.asarray(((numbers[:, :, None] > numbers[:, None, :]) & same).sum(axis=2), np.float64)


def best(place: Index, alone: Array, count: int) -> Index:
    """Return the count best candidates (P, count) by their front, then by how alone they are."""
    return np.asarray(np.lexsort((-alone, place), axis=1)[:, :count])
