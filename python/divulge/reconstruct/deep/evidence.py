"""What the lines searched so far say for or against a unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.reconstruct.deep.prefix import Mask, Prefix
from divulge.reconstruct.deep.sweeps import Sweep, crossings
from divulge.reconstruct.deep.units import Candidates

Array = NDArray[np.float64]
Index = NDArray[np.intp]


def explained(prefix: Prefix, points: Array, tolerance: float) -> Mask:
    """Return which points lie on the hyperplane of a known unit, shape (m,)."""
    out, features = np.zeros(len(points), bool), points
    for layer, levels in zip(prefix.layers, prefix.levels(points), strict=True):
        size = np.linalg.norm(layer.rows, axis=1) * np.linalg.norm(features, axis=1)[:, None]
        out |= (np.abs(levels) <= 10 * tolerance * (size + np.abs(layer.offsets))).any(axis=1)
        features = np.maximum(levels, 0.0)
    return out


def hits(
    prefix: Prefix, units: Candidates, sweeps: list[Sweep], tolerance: float
) -> tuple[Index, Index]:
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
