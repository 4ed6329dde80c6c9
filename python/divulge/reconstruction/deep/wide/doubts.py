"""Inputs at which what is known leaves a unit's state in doubt: one answer each tells it.

Where entries are open many y make all known states. Some are drawn by hit-and-run (Smith 1984): from the
centre, again and again, one unit's y goes along a random way, drawn in the metric of its barrier, to a random
place of the chord that states and bounds leave it. Where rows made of these put a unit in different states,
and no other unit, an answer tells which it is in: the copy is right there, or off as that unit makes it
(query by committee, Seung, Opper and Sompolinsky 1992). Either way a good part of the y is cut off by one
query, where a segment that is searched takes hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import solve_triangular

from divulge.arrays import Array, Index
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.joint_rows import Chosen
from divulge.reconstruction.deep.wide.middle import States
from divulge.reconstruction.deep.wide.open_rows import Sure
from divulge.reconstruction.settings import DOUBTS, MIDDLE


class Committee:
    """Rows that all make the known states.

    Args:
        known: the layers before the units.
        chosen: the units' rows, and what is known of them.
        rng: draws.
    """

    def __init__(self, known: Known, chosen: Chosen, rng: np.random.Generator) -> None:
        self.known, self.chosen, self.rng = known, chosen, rng
        self.open = np.flatnonzero([len(each.free) > 0 for each in chosen.opens])
        self.members = [] if chosen.contradicting else [chosen.rows(y) for y in others(chosen, rng)]

    def split(self, points: Array) -> Array:
        """Return how many are against the others about units with open entries at points (n, d), (u, n)."""
        features = self.known.terms(points)
        votes = np.zeros((len(self.open), len(points)))
        for rows, offsets in self.members:
            votes += rows[self.open] @ features.T + offsets[self.open, None] > 0
        return np.minimum(votes, len(self.members) - votes)

    def in_doubt(self, points: Array) -> tuple[Index, Index]:
        """Return at which points (n, d) one unit's state alone is in doubt, and whose, some of every unit."""
        split = self.split(points)
        alone = (split > 0).sum(axis=0) == 1
        places, whose = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
        for unit, own in zip(self.open, split, strict=True):
            here = self.rng.permutation(np.flatnonzero(alone & (own > 0)))
            here = here[np.argsort(-own[here], kind="stable")][: DOUBTS.of_unit]
            places.append(here)
            whose.append(np.full(len(here), unit))
        return np.concatenate(places), np.concatenate(whose)

    def sure(self, points: Array, pieces: Array) -> Sure | None:
        """Return answers, points (n, d) and pieces (n, d + 1), where all agree, that rows can explain."""
        if not self.members or not len(self.open):
            return None
        agreed = np.flatnonzero((self.split(points) == 0).all(axis=0))[: DOUBTS.sure]
        points, pieces = points[agreed], pieces[agreed]
        rows, offsets = self.chosen.rows(self.chosen.y)
        on = self.known.terms(points) @ rows.T + offsets > 0
        return Sure(points, pieces, on).consistent(self.known, self.chosen.opens)


def others(chosen: Chosen, rng: np.random.Generator) -> list[Array]:
    """Return other y that make all states and keep what is told."""
    sizes = [len(each.free) for each in chosen.opens]
    ends = np.cumsum(sizes)
    largest = min((b for b in MIDDLE.largest if b > np.abs(chosen.y).max(initial=0.0)), default=np.inf)
    drawn = np.repeat(chosen.y[None], DOUBTS.members, axis=0)
    for end, size, states in zip(ends, sizes, chosen.states, strict=True):
        block = slice(end - size, end)
        if size:
            drawn[:, block] = walked(states, chosen.basis[:, block], chosen.y[block], largest, rng)
    return list(drawn)


def walked(states: States, basis: Array, y: Array, largest: float, rng: np.random.Generator) -> Array:
    """Return places (members, r) to which random walks from one unit's y (r,) come."""
    matrix, levels = with_bounds(states, y, largest)
    ways = not_told(basis)
    out = np.repeat(y[None], DOUBTS.members, axis=0)
    if not len(ways):
        return out
    seen = (matrix / (matrix @ y + levels)[:, None]) @ ways.T
    metric = np.linalg.qr(seen, mode="r")
    for member in range(DOUBTS.members):
        for _ in range(DOUBTS.steps):
            way = solve_triangular(metric, rng.standard_normal(len(ways))) @ ways
            room, growth = matrix @ out[member] + levels, matrix @ way
            ahead = (-room[growth < 0] / growth[growth < 0]).min()
            back = (-room[growth > 0] / growth[growth > 0]).max()
            out[member] += rng.uniform(back, ahead) * way
    return out


def not_told(basis: Array) -> Array:
    """Return directions (m, r) of one unit's y that its columns (n, r) of orthonormal rows do not tell."""
    _, told, directions = np.linalg.svd(basis)
    return np.asarray(directions[np.append(told, np.zeros(len(directions) - len(told))) <= DOUBTS.told])


def with_bounds(states: States, y: Array, largest: float) -> States:
    """Return states and bounds of the entries as one, those left out that y hardly makes."""
    matrix, levels = states
    kept = matrix @ y + levels > MIDDLE.least
    eye = np.eye(len(y))
    bounds: Sequence[Array] = (matrix[kept], eye, -eye)
    return np.concatenate(bounds), np.append(levels[kept], np.full(2 * len(y), largest))
