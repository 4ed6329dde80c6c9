"""Units behind known layers as far as they are known, and which of them a kink belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.equations import Equations
from divulge.reconstruction.deep.wide.follow import Follower
from divulge.reconstruction.settings import TINY, WIDE_UNITS


@dataclass
class Unit:
    """One unit.

    Attributes:
        equations: about its row.
        weight: jump of the gradient over the normal, NaN where it was not measured.
        places: points on its hyperplane, shape (d,) each.
    """

    equations: Equations
    weight: float
    places: list[Array] = field(default_factory=list)
    _anchor: tuple[tuple[int, int, int], Array] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, follower: Follower) -> Unit:
        """Return the unit that was followed."""
        weight = float(np.median(follower.weights)) if follower.weights else float("nan")
        return cls(follower.equations, weight, follower.places)

    @property
    def whole(self) -> bool:
        """Whether every entry is known."""
        return bool(self.equations.known.all())

    @property
    def state(self) -> tuple[int, int, bool]:
        """What changes where more is known of it."""
        return len(self.equations), len(self.places), bool(np.isnan(self.weight))

    @property
    def row(self) -> Array:
        """The smallest row that the equations allow."""
        return self.equations.solution

    def anchor(self, known: Known) -> Array:
        """Return the terms of theta at a place of the hyperplane at which few open features are on."""
        state = len(self.equations), len(self.places), known.unknowns
        if self._anchor is None or self._anchor[0] != state:
            terms = known.terms(np.array(self.places))
            crowd = (terms[:, ~self.equations.known] > 0).sum(axis=1)
            self._anchor = state, terms[np.argmin(crowd)]
        return self._anchor[1]

    def offset(self, known: Known) -> float:
        """Return b that belongs to the smallest row."""
        return float(-(self.anchor(known) @ self.row))


def owners(known: Known, units: Sequence[Unit], points: Array) -> Index:
    """Return on which unit's hyperplane points (n, d) lie for certain, -1 where on none's, shape (n,)."""
    found = np.full(len(points), -1)
    if not len(units) or not len(points):
        return found
    terms = known.terms(points)
    rows = np.array([unit.row for unit in units])
    anchors = np.array([unit.anchor(known) for unit in units])
    levels = terms @ rows.T - np.einsum("un,un->u", anchors, rows)
    usual = np.linalg.norm(terms, axis=1)[:, None] + np.linalg.norm(anchors, axis=1)
    near = np.abs(levels) <= WIDE_UNITS.near * usual * np.linalg.norm(rows, axis=1)
    for point, number in np.argwhere(near):
        if units[number].equations.tell(terms[point] - anchors[number]) is not None:
            found[point] = number
    return found


def same(known: Known, units: Sequence[Unit], new: Unit) -> Unit | None:
    """Return the unit whose known entries are a multiple of a new one's, where there are enough of both.

    The two bends of one function of z, such as max(z, 0) - max(z - 6, 0), have one row and two offsets.
    """
    width = known.width
    mine = new.equations.known[:width]
    for unit in units:
        both = np.flatnonzero(mine & unit.equations.known[:width])
        if len(both) < WIDE_UNITS.overlap:
            continue
        a, b = new.row[both], unit.row[both]
        factor = float(a @ b) / max(float(a @ a), TINY)
        alike = b.any() and np.linalg.norm(factor * a - b) <= WIDE_UNITS.near * np.linalg.norm(b)
        if alike and not apart(known, unit, new):
            return unit
    return None


def apart(known: Known, unit: Unit, new: Unit) -> bool:
    """Whether a unit with the same row has another offset: its place is told to lie off the hyperplane."""
    here, anchor = known.terms(new.places[0][None])[0], unit.anchor(known)
    level = unit.equations.tell(here - anchor)
    usual = (np.linalg.norm(here) + np.linalg.norm(anchor)) * np.linalg.norm(unit.row)
    return level is not None and abs(level) > WIDE_UNITS.apart * float(usual)


def taken_in(known: Known, units: list[Unit], new: Unit) -> bool:
    """Add a unit, or what was seen of it to the one that it is; return whether it is another one."""
    old = same(known, units, new)
    if old is None:
        units.append(new)
        return True
    width = known.width
    both = np.flatnonzero(new.equations.known[:width] & old.equations.known[:width])
    factor = float(new.row[both] @ old.row[both] / (new.row[both] @ new.row[both]))
    for terms, right in new.equations.asked:
        old.equations.add(terms, factor * right)
    old.equations.add(known.terms(new.places[0][None])[0] - old.anchor(known), 0.0)
    old.places += new.places
    if np.isnan(old.weight):
        old.weight = new.weight / factor
    return False


def joined(known: Known, unit: Unit, point: Array, jump: Array) -> bool:
    """Take a kink in as a unit's with open entries, if d + 1 equations with few unknowns say that it is."""
    if np.isnan(unit.weight) or known.open_sides:
        return False
    cell, equations = known.cell(point), unit.equations
    here, anchor = known.terms(point[None])[0], unit.anchor(known)
    terms = np.concatenate([cell.gradient_terms(), (here - anchor)[None]])
    beyond = np.array([equations.beyond(row) for row in terms])
    sizes = np.full(len(terms), np.linalg.norm(jump / unit.weight))
    sizes[-1] = (np.linalg.norm(here) + np.linalg.norm(anchor)) * np.linalg.norm(unit.row)
    u, s, _ = np.linalg.svd(beyond / sizes[:, None])
    rank = int((s > WIDE_UNITS.free).sum())
    if rank >= len(sizes):
        return False
    rights = [np.append(sign * jump / unit.weight, 0.0) for sign in (1.0, -1.0)]
    left = [np.linalg.norm(u[:, rank:].T @ ((right - terms @ unit.row) / sizes)) for right in rights]
    fits = [right for right, off in zip(rights, left, strict=True) if off <= WIDE_UNITS.near]
    if len(fits) != 1:
        return False  # both where nothing but the level is told
    for row, value in zip(terms, fits[0], strict=True):
        equations.add(row, float(value))
    unit.places.append(point)
    return True


def with_rows(known: Known, units: Sequence[Unit]) -> tuple[Array, Mask, Array]:
    """Return rows (u, h), which entries are known, and offsets (u,)."""
    rows = np.array([unit.row[: known.width] for unit in units]).reshape(-1, known.width)
    seen = np.array([unit.equations.known[: known.width] for unit in units]).reshape(-1, known.width)
    return rows, seen, np.array([unit.offset(known) for unit in units])
