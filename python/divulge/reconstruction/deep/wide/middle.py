"""Open entries from the middle of what the known states of units allow.

A state at a point asks a . y + b > 0 of a unit's open entries y, a of length 1. A linear programme finds y at
which all of these hold; it ends in a corner, where many hold by nothing, and copies with such entries are
wrong right beside points that were looked at. So Newton's method goes on from there to the analytic centre,

    least of - sum log(a_n . y + b_n) - sum log(B^2 - y_j^2),   B a bound of the entries:

every state that turns out otherwise then cuts off a good part of what was left. As the true entries are
seldom larger than those that are known, small bounds are tried first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.optimize import linprog
from scipy.sparse import block_diag, csr_array, hstack

from divulge.arrays import Array, Index
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
        start = corner(states, basis, values, largest)
        if start is not None and not len(start):
            return start
        if start is not None:
            return centred(Barrier.of(states, start, largest), basis, start)
    return None


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
        A_ub=hstack([-block_diag([matrix for matrix, _ in units]), margins]),
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
        blocks: a and b of every unit's states, (n, r) and (n,) each.
        ends: where units' entries end in all of y, the last one's left out.
        largest: bound of the entries.
    """

    blocks: list[States]
    ends: Index
    largest: float

    @classmethod
    def of(cls, states: Sequence[States], start: Array, largest: float) -> Barrier:
        """Return it, states that hold by nothing at the start left out."""
        ends = np.cumsum([matrix.shape[1] for matrix, _ in states], dtype=np.intp)[:-1]
        blocks = []
        for (matrix, levels), y in zip(states, np.split(start, ends), strict=True):
            free = matrix @ y + levels > MIDDLE.least
            blocks.append((matrix[free], levels[free]))
        return cls(blocks, ends, largest)

    def rooms(self, y: Array) -> list[Array]:
        """Return every unit's levels at y, (n,) each."""
        parts = np.split(y, self.ends)
        return [matrix @ part + levels for (matrix, levels), part in zip(self.blocks, parts, strict=True)]

    def value(self, y: Array) -> float:
        """Return it at y, infinity where a state does not hold."""
        room = np.concatenate([*self.rooms(y), self.largest - y, self.largest + y])
        return float(-np.log(room).sum()) if (room > 0).all() else np.inf

    def slope(self, y: Array) -> Array:
        """Return its gradient."""
        of_states = [
            matrix.T @ (1 / room) for (matrix, _), room in zip(self.blocks, self.rooms(y), strict=True)
        ]
        return np.asarray(1 / (self.largest - y) - 1 / (self.largest + y) - np.concatenate(of_states))

    def curvature(self, y: Array) -> Array:
        """Return its Hessian."""
        scaled = [
            matrix / room[:, None] for (matrix, _), room in zip(self.blocks, self.rooms(y), strict=True)
        ]
        bounds = 1 / (self.largest - y) ** 2 + 1 / (self.largest + y) ** 2
        return np.asarray(linalg.block_diag(*[each.T @ each for each in scaled]) + np.diag(bounds))


def centred(barrier: Barrier, basis: Array, start: Array) -> Array:
    """Return the centre, basis y staying as it is: Newton's method, steps halved until they help."""
    y, n = start, len(basis)
    for _ in range(MIDDLE.steps):
        slope, here = barrier.slope(y), barrier.value(y)
        whole = np.block([[barrier.curvature(y), basis.T], [basis, np.zeros((n, n))]])
        try:
            step = np.linalg.solve(whole, np.concatenate([-slope, np.zeros(n)]))[: len(y)]
        except np.linalg.LinAlgError:  # singular to rounding right beside a state: what was reached holds
            break
        fall, share = float(-slope @ step), 1.0
        while barrier.value(y + share * step) > here - MIDDLE.part * share * fall and share > MIDDLE.shortest:
            share *= 0.5
        if share <= MIDDLE.shortest or not fall > MIDDLE.enough:
            break
        y = y + share * step
    return np.asarray(y)
