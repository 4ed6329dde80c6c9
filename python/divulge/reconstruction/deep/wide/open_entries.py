"""Entries of rows that no bend has told yet: where they show, and what stands for those that show nowhere.

The unit k bends at the hyperplane of feature i only where its own meets that one. There the feature is 0, so
that the level z_k needs no entry of i: points on the hyperplane of i at which the other open features are off
tell by known entries whether z_k has both signs. If so, it vanishes between two such points, and two answers
beside that place tell the entry. That is done behind one layer alone.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.follow import bent
from divulge.reconstruction.deep.wide.units import Unit
from divulge.reconstruction.settings import OPEN_ENTRIES


def tell_entries(
    probe: Probe,
    known: Known,
    units: list[Unit],
    rng: np.random.Generator,
    points: int = OPEN_ENTRIES.points,
) -> int:
    """Ask for open entries wherever known ones say that they show; return how many were told.

    Args:
        probe: whom to ask.
        known: the layers before the units.
        units: the units; they take in what is told.
        rng: draws points.
        points: how many are looked at on each feature's hyperplane, of each scale; none of them is asked.
    """
    told = 0
    if known.inner.layers:
        return told  # a hyperplane that bends holds no segment between two of its points
    for unit in units:
        for feature in np.flatnonzero(~unit.equations.known[: known.prefix.layers[-1].units]):
            place = at_edge(known, unit, int(feature), rng, points)
            if place is not None and asked(probe, known, unit, int(feature), place):
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


def at_edge(
    known: Known, unit: Unit, feature: int, rng: np.random.Generator, count: int = OPEN_ENTRIES.points
) -> Array | None:
    """Return where a unit's hyperplane meets a feature's, if so many points of each scale show it."""
    layer, anchor = known.prefix.layers[-1], unit.anchor(known)
    row = layer.rows[feature]
    size = known.prefix.input_size
    points = np.concatenate([scale * rng.standard_normal((count, size)) for scale in OPEN_ENTRIES.scales])
    points = points - np.outer(points @ row + layer.offsets[feature], row) / (row @ row)
    others = ~unit.equations.known
    others[feature] = False
    if others[layer.units :].any():
        return None  # what has no ReLU is nowhere off
    points = points[(layer.levels(points)[:, others] < 0).all(axis=1)]
    if not len(points):
        return None
    if (anchor[others] > 0).any():
        return None  # there is no place at which they are all off
    masked = np.where(unit.equations.known, unit.row, 0.0)
    offset = -float(anchor @ masked)
    levels = known.terms(points) @ masked + offset
    if (levels > 0).all() or (levels < 0).all():
        return None
    order = np.argsort(np.linalg.norm(points, axis=1), kind="stable")
    above, below = (points[order][(levels * sign > 0)[order]][0] for sign in (1.0, -1.0))
    return between(known, masked, offset, below, above)


def between(known: Known, row: Array, offset: float, below: Array, above: Array) -> Array:
    """Return where a level that is known along a segment vanishes on it: by halves, then by a slope."""
    ends = np.stack([below, above])
    for _ in range(OPEN_ENTRIES.halvings):
        middle = ends.mean(axis=0)
        ends[int(known.terms(middle[None])[0] @ row + offset > 0)] = middle
    low, high = known.terms(ends) @ row + offset
    return np.asarray(ends[0] + (ends[1] - ends[0]) * (low / (low - high) if high > low else 0.5))
