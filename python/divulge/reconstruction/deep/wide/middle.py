"""Open entries from the middle of what the known states of units allow.

A state at a point asks a . y + b > 0 of a unit's open entries y, a of length 1. A linear programme finds y at
which all of these hold; it ends in a corner, where many hold by nothing, and copies with such entries are
wrong right beside points that were looked at. So Newton's method goes on from there to the analytic centre,

    least of - sum log(a_n . y + b_n) - sum log(B^2 - y_j^2),   B a bound of the entries:

every state that turns out otherwise then cuts off a good part of what was left. As the true entries are
seldom larger than those that are known, small bounds are tried first.

Of tens of thousands of states most hold wherever the others do: those that the smallest row has least of are
taken first, then, again and again, those that the centre of these does not make.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag
from scipy.optimize import linprog
from scipy.sparse import block_diag as sparse_blocks
from scipy.sparse import csr_array, hstack

from divulge.arrays import Array, Mask
from divulge.reconstruction.settings import MIDDLE

States = tuple[Array, Array]  # of one unit: a (n, r), b (n,)


def middle(states: Sequence[States], basis: Array, values: Array) -> Array | None:
    """Return all units' y, or None where no entries within the largest bound make the states.

    Args:
        states: of every unit; those with nothing open have r = 0.
        basis: orthonormal rows, shape (m, all y).
        values: basis y, which is told, shape (m,).
    """
    for largest in MIDDLE.largest:
        y = within(states, basis, values, largest)
        if y is not None:
            return y
    return None


def within(states: Sequence[States], basis: Array, values: Array, largest: float) -> Array | None:
    """Return all units' y within a bound, or None where none make the states."""
    sizes = np.cumsum([matrix.shape[1] for matrix, _ in states])[:-1]
    chosen = [least(levels, MIDDLE.at_first + MIDDLE.each * matrix.shape[1]) for matrix, levels in states]
    while True:
        some = [(matrix[own], levels[own]) for (matrix, levels), own in zip(states, chosen, strict=True)]
        y = corner(some, basis, values, largest)
        if y is None or not len(y):
            return y
        y = centred(Barrier.of(some, y, largest), basis, y)
        new = False
        for (matrix, levels), own, part in zip(states, chosen, np.split(y, sizes), strict=True):
            off = np.where(own, np.inf, matrix @ part + levels)
            more = least(off, MIDDLE.more) & (off <= 0)
            own |= more
            new |= bool(more.any())
        if not new:
            return y


def least(levels: Array, count: int) -> Mask:
    """Return which so many of all levels are the least."""
    chosen = np.zeros(len(levels), bool)
    chosen[np.argsort(levels, kind="stable")[:count]] = True
    return chosen


def corner(states: Sequence[States], basis: Array, values: Array, largest: float) -> Array | None:
    """Return y well within a bound, each unit's least level as large as can be, or None if one is below 0."""
    units = [(matrix, levels) for matrix, levels in states if matrix.shape[1]]
    many, count = basis.shape[1], len(units)
    if not many:
        return np.zeros(0)
    owners = np.repeat(np.arange(count), [len(levels) for _, levels in units])
    inside = MIDDLE.inside * largest
    margins = csr_array((np.ones(len(owners)), (np.arange(len(owners)), owners)), (len(owners), count))
    equal = hstack([csr_array(basis), csr_array((len(basis), count))]) if len(basis) else None
    found = linprog(
        np.concatenate([np.zeros(many), -np.ones(count)]),
        A_ub=hstack([-sparse_blocks([matrix for matrix, _ in units]), margins]),
        b_ub=np.concatenate([levels for _, levels in units]),
        A_eq=equal,
        b_eq=None if equal is None else values,
        bounds=[(-inside, inside)] * many + [(0.0, largest)] * count,
        method="highs",
    )
    if found.status:
        return None
    y = found.x[:many]
    return np.asarray(y - basis.T @ (basis @ y - values))


@dataclass(frozen=True)
class Barrier:
    """The function whose least value is at the centre.

    Attributes:
        states: a (n, r) and b (n,) of every unit.
        largest: bound of the entries.
    """

    states: list[States]
    largest: float

    @classmethod
    def of(cls, states: Sequence[States], start: Array, largest: float) -> Barrier:
        """Return it, states that hold by nothing at the start left out."""
        every = cls(list(states), largest)
        free = [room > MIDDLE.least for room in every.rooms(start)]
        return cls([(a[own], b[own]) for (a, b), own in zip(states, free, strict=True)], largest)

    def rooms(self, y: Array) -> list[Array]:
        """Return the levels of every unit's states."""
        parts = np.split(y, np.cumsum([matrix.shape[1] for matrix, _ in self.states])[:-1])
        return [matrix @ part + levels for (matrix, levels), part in zip(self.states, parts, strict=True)]

    def value(self, y: Array) -> float:
        """Return it at y, infinity where a state does not hold."""
        room = np.concatenate([*self.rooms(y), self.largest - y, self.largest + y])
        return float(-np.log(room).sum()) if (room > 0).all() else np.inf

    def slope(self, y: Array) -> Array:
        """Return its gradient."""
        pairs = zip(self.states, self.rooms(y), strict=True)
        pull = np.concatenate([matrix.T @ (1 / room) for (matrix, _), room in pairs])
        return np.asarray(1 / (self.largest - y) - 1 / (self.largest + y) - pull)

    def curvature(self, y: Array) -> Array:
        """Return its Hessian."""
        scaled = [
            matrix / room[:, None] for (matrix, _), room in zip(self.states, self.rooms(y), strict=True)
        ]
        bounds = 1 / (self.largest - y) ** 2 + 1 / (self.largest + y) ** 2
        return np.asarray(block_diag(*(each.T @ each for each in scaled)) + np.diag(bounds))


def centred(barrier: Barrier, basis: Array, start: Array) -> Array:
    """Return the centre, basis y staying as it is: Newton's method, steps halved until they help."""
    y, n = start, len(basis)
    for _ in range(MIDDLE.steps):
        slope, here = barrier.slope(y), barrier.value(y)
        whole = np.block([[barrier.curvature(y), basis.T], [basis, np.zeros((n, n))]])
        try:
            step = np.linalg.solve(whole, np.concatenate([-slope, np.zeros(n)]))[: len(y)]
        except np.linalg.LinAlgError:  # singular to rounding right beside a state: every place here holds
            break
        fall, share = float(-slope @ step), 1.0
        while barrier.value(y + share * step) > here - MIDDLE.part * share * fall and share > MIDDLE.shortest:
            share *= 0.5
        if share <= MIDDLE.shortest or not fall > MIDDLE.enough:
            break
        y = y + share * step
    return np.asarray(y)
