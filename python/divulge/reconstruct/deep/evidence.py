"""What the lines searched so far say for or against a unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.reconstruct.deep.prefix import Mask, Prefix
from divulge.reconstruct.deep.sweeps import Sweep, crossings
from divulge.reconstruct.deep.units import Candidates
from divulge.reconstruct.lines import REACH, Lines

Array = NDArray[np.float64]
Index = NDArray[np.intp]

NEAR_PLACES = 30.0  # largest |t| of a place: far out the pieces are wide and all alike


def explained(prefix: Prefix, points: Array, tolerance: float) -> Mask:
    """Return which points lie on the hyperplane of a known unit, shape (m,)."""
    out, features = np.zeros(len(points), bool), points
    for layer, levels in zip(prefix.layers, prefix.levels(points), strict=True):
        size = np.linalg.norm(layer.rows, axis=1) * np.linalg.norm(features, axis=1)[:, None]
        out |= (np.abs(levels) <= 10 * tolerance * (size + np.abs(layer.offsets))).any(axis=1)
        features = np.maximum(levels, 0.0)
    return out


def hits(prefix: Prefix, units: Candidates, sweeps: list[Sweep], tolerance: float) -> tuple[Index, Index]:
    """Count where a unit's hyperplane crosses the sweeps, and where a kink was found there.

    A crossing counts only where all features that are active were seen in the unit's row.

    Returns:
        Crossings with a kink, and crossings, shape (c,) each.
    """
    seen, due = np.zeros(len(units), np.intp), np.zeros(len(units), np.intp)
    for sweep in sweeps:
        t, unit = crossings(prefix, units.rows, units.offsets, sweep)
        covered = ~(prefix.masks(sweep.points(t)) & ~units.known[unit]).any(axis=1)
        t, unit = t[covered], unit[covered]
        np.add.at(due, unit, 1)
        np.add.at(seen, unit, distance(sweep.t, t) <= 100 * tolerance * (1 + np.abs(t)))
    return seen, due


def distance(places: Array, t: Array) -> Array:
    """Return how far each t is from the nearest of the rising places."""
    after = np.searchsorted(places, t)
    padded = np.concatenate([[-np.inf], places, [np.inf]])
    return np.minimum(padded[after + 1] - t, t - padded[after])


def places(prefix: Prefix, units: Candidates, lines: Lines, most: int) -> tuple[Index, Array]:
    """Return random places, up to `most` a unit, where its hyperplane must show.

    Returns:
        The unit of each place, shape (n,), and the places, shape (n, d).
    """
    which, points, counts = [], [], np.zeros(len(units), np.intp)
    for _ in range(4 * most):
        start, end = lines.samples(2)
        low, high = (0.0, 1.0) if lines.domain else (-REACH, REACH)
        direction = end - start if lines.domain else end
        sweep = Sweep(start, direction, low, high, np.empty(0), np.empty((0, len(start))))
        t, unit = crossings(prefix, units.rows, units.offsets, sweep)
        at = sweep.points(t)
        covered = ~(prefix.masks(at) & ~units.known[unit]).any(axis=1) & (np.abs(t) < NEAR_PLACES)
        unit, at = unit[covered], at[covered]
        first = np.unique(unit, return_index=True)[1]
        first = first[counts[unit[first]] < most]
        counts[unit[first]] += 1
        which.append(unit[first])
        points.append(at[first])
    return np.concatenate(which), np.concatenate(points)
