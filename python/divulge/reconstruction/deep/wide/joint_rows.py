"""All rows at once: entries that stay open as answers and states together allow them.

Along segments all of whose kinks have an owner every unit's state is known, and crossings tell W of many sets
of active units:

    across . (sum over active k of w_k (r_k + N_k y_k) + V) = share,

r_k the smallest row that the equations of unit k allow, N_k what they leave open. That is linear in all y_k
and V; what is told of y whatever V is stays as it is told. What is left is chosen from the middle of what the
known states allow (`middle.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.middle import States, middle
from divulge.reconstruction.deep.wide.star import Star
from divulge.reconstruction.deep.wide.states import Attributed, states_at
from divulge.reconstruction.deep.wide.told_by_answers import ToldStates
from divulge.reconstruction.deep.wide.units import Unit
from divulge.reconstruction.settings import CROSSINGS, TINY


@dataclass(frozen=True)
class Open:
    """What is open of one unit's row, r + size N y.

    Attributes:
        weight: of the unit in the output.
        smallest: r, shape (h,).
        free: N, orthonormal, shape (r, h).
        anchor: features at a place of its hyperplane, shape (h,).
        size: of what is known of the row.
    """

    weight: float
    smallest: Array
    free: Array
    anchor: Array
    size: float

    @classmethod
    def of(cls, known: Known, unit: Unit) -> Open:
        """Return what the equations of a unit leave open."""
        size = max(float(np.linalg.norm(unit.row)), TINY)
        return cls(float(np.nan_to_num(unit.weight)), unit.row, unit.equations.free, unit.anchor(known), size)

    def row(self, y: Array) -> Array:
        """Return the row with what was chosen, y (r,)."""
        return np.asarray(self.smallest + self.size * (y @ self.free))


@dataclass(frozen=True)
class System:
    """Equations told y + terms V = right, of all units' y one after the other.

    Attributes:
        told: shape (n, all y).
        terms: shape (n, h).
        right: shape (n,).
    """

    told: Array
    terms: Array
    right: Array


def joint_rows(
    known: Known, units: Sequence[Unit], star: Star, told: ToldStates, by_answers: bool
) -> tuple[Array, Array]:
    """Return every unit's row (u, h) and offset (u,).

    Where no entries make all known states those that single answers told are discarded; if none make the
    others, each unit gets its own, or the smallest row.

    Args:
        known: the layers before the units.
        units: the units.
        star: what is known of their states along segments.
        told: and at single points.
        by_answers: whether answers are of these units alone, none of deeper ones.
    """
    opens = [Open.of(known, unit) for unit in units]
    nothing = np.empty((0, sum(len(each.free) for each in opens))), np.empty(0)
    basis, values = told_alone(system_of(known, units, opens, star)) if by_answers else nothing
    states = states_of_all(known, opens, star, told)
    y = middle(states, basis, values)
    if y is None and told.discard():
        states = states_of_all(known, opens, star, told)
        y = middle(states, basis, values)
    if y is None:
        parts = [alone(own) for own in states]
    else:
        parts = np.split(y, np.cumsum([len(each.free) for each in opens])[:-1])
    rows = [each.row(part) for each, part in zip(opens, parts, strict=True)]
    offsets = [-float(each.anchor @ row) for each, row in zip(opens, rows, strict=True)]
    return np.array(rows), np.array(offsets)


def alone(states: States) -> Array:
    """Return one unit's y by its states, 0 where none makes them."""
    size = states[0].shape[1]
    y = middle([states], np.empty((0, size)), np.empty(0))
    return np.zeros(size) if y is None else y


def system_of(known: Known, units: Sequence[Unit], opens: Sequence[Open], star: Star) -> System:
    """Collect what crossings on segments from the centre tell, each equation once."""
    many = sum(len(each.free) for each in opens)
    equations = [np.empty((0, many + known.width + 1))]
    for along in filter(star.from_centre, star.along):
        crossings = along.segment.crossings(known)
        on, certain = states_of(known, units, opens, star, along, crossings.places)
        terms, right, blocks = crossings.terms[certain], crossings.shares[certain], []
        for each, active in zip(opens, on[:, certain], strict=True):
            right = right - each.weight * active * (terms @ each.smallest)
            blocks.append((each.weight * each.size * active)[:, None] * (terms @ each.free.T))
        equations.append(np.column_stack([*blocks, terms, right]))
    stacked = np.concatenate(equations)
    scale = np.maximum(np.abs(stacked).max(axis=0, initial=0.0), TINY)
    _, first = np.unique(
        np.round(stacked[:, :-1] / scale[:-1], CROSSINGS.decimals), axis=0, return_index=True
    )
    return System(stacked[first, :many], stacked[first, many:-1], stacked[first, -1])


def states_of(
    known: Known,
    units: Sequence[Unit],
    opens: Sequence[Open],
    star: Star,
    along: Attributed,
    places: Array,
) -> tuple[Mask, Mask]:
    """Return which units are on at places (m,) of a segment, (u, m), and where all of them are told, (m,)."""
    way = along.segment.end - along.segment.start
    features = known.terms(along.segment.start + places[:, None] * way)
    on, certain = np.zeros((len(units), len(places)), bool), np.ones(len(places), bool)
    for number, (unit, each) in enumerate(zip(units, opens, strict=True)):
        if not len(each.free):
            on[number] = (features - each.anchor) @ each.smallest > 0
            continue
        states = states_at(known, unit, number, along, places, float(star.at_centre[number]))
        on[number], certain = states > 0, certain & (states != 0)
    return on, certain


def told_alone(system: System) -> tuple[Array, Array]:
    """Return what is told of y whatever V is: orthonormal rows (r, n) and their products with y (r,).

    That is nothing where answers contradict each other, as those of deeper units do.
    """
    nothing = np.empty((0, system.told.shape[1])), np.empty(0)
    if not system.told.size:
        return nothing
    u, s, _ = np.linalg.svd(system.terms, full_matrices=False)
    u = u[:, s > CROSSINGS.rank * s.max(initial=TINY)]
    told = system.told - u @ (u.T @ system.told)
    right = system.right - u @ (u.T @ system.right)
    u, s, vt = np.linalg.svd(told, full_matrices=False)
    rank = int((s > CROSSINGS.rank * np.linalg.norm(system.told)).sum())
    left = right - u[:, :rank] @ (u[:, :rank].T @ right)
    if np.linalg.norm(left) > CROSSINGS.contradicting * np.linalg.norm(system.right):
        return nothing
    return vt[:rank], (u[:, :rank].T @ right) / s[:rank]


def states_of_all(known: Known, opens: Sequence[Open], star: Star, told: ToldStates) -> list[States]:
    """Return what the known states of every unit ask of its y."""
    size = len(star.centre)
    both = [joined_states(star.states(number), told.of(number, size)) for number in range(len(opens))]
    return [state_rows(known, each, *states) for each, states in zip(opens, both, strict=True)]


def joined_states(one: tuple[Array, Array], other: tuple[Array, Array]) -> tuple[Array, Array]:
    """Return points (n, d) and states (n,) of both."""
    return np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])


def state_rows(known: Known, each: Open, points: Array, states: Array) -> States:
    """Return what states (n,) at points (n, d) ask of a unit's y."""
    terms = states[:, None] * (known.terms(points) - each.anchor)
    part = terms @ each.free.T
    size = np.linalg.norm(part, axis=1)
    telling = size > CROSSINGS.telling * np.linalg.norm(terms, axis=1)
    matrix = part[telling] / size[telling, None]
    levels = terms[telling] @ each.smallest / size[telling] / each.size
    both = np.round(np.column_stack([matrix, levels]), CROSSINGS.decimals)
    _, first = np.unique(both, axis=0, return_index=True)
    return matrix[first], levels[first]
