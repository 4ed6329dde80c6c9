"""What the lines searched so far say for or against a unit."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.hyperplane_queries import levels_and_slopes, onto
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.searched_segment import SearchedSegment, crossings
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import EDGES, EVIDENCE


def explained(prefix: Prefix, points: Array, tolerance: float) -> Mask:
    """Return which points lie on the hyperplane of a known unit, shape (m,)."""
    out, features = np.zeros(len(points), bool), points
    for layer in prefix.layers:
        out |= explained_by(layer, features, tolerance)
        features = layer.outputs(layer.levels(features))
    return out


def explained_by(layer: Dense, features: Array, tolerance: float) -> Mask:
    """Return at which features (m, p) the pre-activation of one of a layer's units vanishes, shape (m,)."""
    size = np.linalg.norm(layer.rows, axis=1) * np.linalg.norm(features, axis=1)[:, None]
    levels = np.abs(layer.levels(features))
    near = levels <= tolerance * (size + np.abs(layer.offsets))
    return np.asarray(near[:, : layer.units].any(axis=1))


def hits(
    prefix: Prefix, units: Candidates, sweeps: list[SearchedSegment], tolerance: float
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
        np.add.at(seen, unit, distance(sweep.t, t) <= tolerance * (1 + np.abs(t)))
    return seen, due


def nearest(places: Array, t: Array) -> Index:
    """Return the number of the place that is nearest to each t; places rise."""
    after = np.searchsorted(places, t)
    padded = np.concatenate([[-np.inf], places, [np.inf]])
    return np.asarray(np.where(padded[after + 1] - t < t - padded[after], after, after - 1), np.intp)


def distance(places: Array, t: Array) -> Array:
    """Return how far each t is from the nearest of the rising places."""
    return np.abs(places[nearest(places, t)] - t) if len(places) else np.full(len(t), np.inf)


def places(
    prefix: Prefix, units: Candidates, lines: Lines, most: int, near: bool = False
) -> tuple[Index, Array]:
    """Return random places, up to `most` a unit, where its hyperplane must show, or such near its kink.

    Returns:
        The unit of each place, shape (n,), rising, and the places, shape (n, d).
    """
    which = np.repeat(np.arange(len(units)), EVIDENCE.starts)
    free = FreeLayer.of(prefix, lines.domain, lines.samples(EVIDENCE.starts))
    if free is None:
        starts = near_kinks(units.points[which], lines) if near else lines.samples(len(which))
        points = onto(prefix, units.rows[which], units.offsets[which], starts)
    else:
        active = units.known[which] & (lines.rng.uniform(size=(len(which), prefix.width)) < 0.5)
        points = free.on_hyperplanes(units.rows[which], units.offsets[which], active, lines.rng)
    good = np.isfinite(points).all(axis=1)
    which, points = which[good], points[good]
    good = on_hyperplane(prefix, units.rows[which], units.offsets[which], points)
    good &= ~(prefix.masks(points) & ~units.known[which]).any(axis=1) & well_inside(points, lines)
    good[good] = rank_within(which[good]) < most
    return which[good], points[good]


def near_kinks(kinks: Array, lines: Lines) -> Array:
    """Return random points, every other one near the kink of its unit, shape (n, d)."""
    share = 10 ** lines.rng.uniform(EDGES.nearest, 0, size=(len(kinks), 1))
    share[::2] = 1.0
    return np.asarray(kinks + share * (lines.samples(len(kinks)) - kinks))


def on_hyperplane(prefix: Prefix, rows: Array, offsets: Array, points: Array) -> Mask:
    """Whether each point lies on its unit's hyperplane, to rounding."""
    levels, slopes = levels_and_slopes(prefix, rows, offsets, points)
    reach = (1.0 + np.linalg.norm(points, axis=1)) * np.linalg.norm(slopes, axis=1)
    return np.asarray((np.abs(levels) <= EVIDENCE.on_plane * reach) & (reach > 0))


def well_inside(points: Array, lines: Lines) -> Mask:
    """Whether points lie in the domain, not at its very edge, and where answers do not saturate."""
    if lines.domain is None:
        return ~lines.saturated(points)
    low, high = lines.domain
    margin = EVIDENCE.edge * (high - low)
    return np.asarray(((points > low + margin) & (points < high - margin)).all(axis=1))


def rank_within(groups: Index) -> Index:
    """Return how many earlier entries of a rising array are equal to each, shape (n,)."""
    return np.asarray(np.arange(len(groups)) - np.searchsorted(groups, groups), np.intp)
