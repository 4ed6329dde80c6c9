"""Entries of rows that no bend has told yet: where they show, and what stands for those that show nowhere.

The unit k bends at the hyperplane of feature i only where its own meets that one. There the feature is 0, so that the
level z_k needs no entry of i: points on the hyperplane of i at which the other open features are off tell by known
entries whether z_k has both signs. If so, it vanishes between two such points, and two answers beside that place tell
the entry. If not, the unit does not switch while the feature is on: it keeps the sign that it has at the edge, and an
entry large enough to keep it stands for the true one, which shows nowhere; where the unit is on, the linear part beside
the layer takes up the difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.follow import bent
from divulge.reconstruction.deep.wide.units import Unit
from divulge.reconstruction.settings import OPEN_ENTRIES


@dataclass(frozen=True)
class Edge:
    """What is known of a unit at the hyperplane of a feature.

    Attributes:
        place: where its hyperplane meets that one, shape (d,), or None.
        side: the sign of its level where it meets nowhere, 0 where no point was found.
    """

    place: Array | None
    side: float


def tell_entries(probe: Probe, known: Known, units: list[Unit], lines: Lines) -> int:
    """Ask for open entries wherever known ones say that they show; return how many were told."""
    told = 0
    for unit in units:
        for feature in np.flatnonzero(~unit.equations.known):
            edge = at_edge(known, unit, int(feature), lines)
            if edge.place is not None and asked(probe, known, unit, int(feature), edge.place):
                told += 1
    return told


def asked(probe: Probe, known: Known, unit: Unit, feature: int, place: Array) -> bool:
    """Ask how a unit bends at the hyperplane of a feature, from where that is off."""
    bend = known.prefix.layers[-1].rows[feature]
    cell = known.cell(place - OPEN_ENTRIES.back * bend / np.linalg.norm(bend))
    if cell.sides[-1][feature]:
        return False
    bend = cell.slopes[-1][feature]
    normal = cell.gradient_terms() @ unit.row
    way = bend - normal * (normal @ bend) / (normal @ normal)
    found = bent(probe, place, way, normal, bend)
    if found is None:
        return False
    terms = np.zeros(known.unknowns)
    terms[feature] = 1.0
    unit.equations.add(terms, found[0])
    unit.places.append(place)
    return True


def at_edge(known: Known, unit: Unit, feature: int, lines: Lines) -> Edge:
    """Look for the place where a unit's hyperplane meets a feature's."""
    layer, offset = known.prefix.layers[-1], unit.offset(known)
    row = layer.rows[feature]
    points = np.concatenate([scale * lines.samples(OPEN_ENTRIES.points) for scale in OPEN_ENTRIES.scales])
    points = points - np.outer(points @ row + layer.offsets[feature], row) / (row @ row)
    others = ~unit.equations.known
    others[feature] = False
    points = points[(layer.levels(points)[:, others] < 0).all(axis=1)]
    if not len(points):
        return Edge(None, 0.0)
    masked = np.where(unit.equations.known, unit.row, 0.0)
    levels = known.terms(points) @ masked + offset
    if (levels > 0).all() or (levels < 0).all():
        return Edge(None, float(np.sign(levels[0])))
    order = np.argsort(np.linalg.norm(points, axis=1), kind="stable")
    above, below = (points[order][(levels * sign > 0)[order]][0] for sign in (1.0, -1.0))
    return Edge(between(known, masked, offset, below, above), 0.0)


def between(known: Known, row: Array, offset: float, below: Array, above: Array) -> Array:
    """Return where a level that is known along a segment vanishes on it: by halves, then by the last piece's slope."""
    ends = np.stack([below, above])
    for _ in range(OPEN_ENTRIES.halvings):
        middle = ends.mean(axis=0)
        ends[int(known.terms(middle[None])[0] @ row + offset > 0)] = middle
    low, high = known.terms(ends) @ row + offset
    return np.asarray(ends[0] + (ends[1] - ends[0]) * (low / (low - high) if high > low else 0.5))


def stand_ins(known: Known, unit: Unit, lines: Lines) -> Array:
    """Return the unit's row with entries in place of those that are open."""
    open_features: Index = np.flatnonzero(~unit.equations.known)
    row = unit.row.copy()
    if not len(open_features):
        return row
    row[open_features] = 0.0
    sides = np.array([at_edge(known, unit, int(i), lines).side for i in open_features])
    usual = np.sign(sides.sum()) or -1.0
    size = np.linalg.norm(known.prefix.layers[-1].rows, axis=1)
    enough = OPEN_ENTRIES.larger * float(np.abs(row) @ size) / size[open_features]
    row[open_features] = np.where(sides == 0, usual, sides) * enough
    return row
