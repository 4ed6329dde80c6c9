"""Entries of a unit's row that no jump has shown yet, seen where its hyperplane bends.

Where the hyperplane of a unit meets that of a feature i it bends: on the side where i is active the unit's
gradient is n + r_i v instead of n, v the gradient of i's own pre-activation. A jump measured there just past
the edge is gamma (n + r_i v), which gives r_i. The edge itself is found without a question.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.evidence import near_kinks, well_inside
from divulge.reconstruction.deep.hyperplane_queries import bend_shares, levels_and_slopes, onto_both
from divulge.reconstruction.deep.missing_entries.by_lifting import whole_rows
from divulge.reconstruction.deep.missing_entries.by_milp import meeting
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import EDGES

Vain = Counter[tuple[bytes, int]]


def complete(
    probe: Probe, prefix: Prefix, units: Candidates, lines: Lines, vain: Vain | None = None
) -> Candidates:
    """Ask for the missing entries, all of a row at once where regions can be chosen, else edge by edge.

    Args:
        probe: where to ask.
        prefix: the layers before the units'.
        units: whose entries are missing.
        lines: the domain.
        vain: how often each entry was asked for in vain, by what `entry_keys` calls it; kept up to date.
            After so many times it is not asked for any more.
    """
    vain = Counter() if vain is None else vain
    free = FreeLayer.of(prefix, lines.domain, lines.samples(EDGES.starts))
    if free is not None:
        return whole_rows(probe, free, units, lines)
    rows, known = units.rows.copy(), units.known.copy()
    if not prefix.layers:
        return units
    for _ in range(EDGES.rounds):
        unit, feature = np.nonzero(~known)
        keys = entry_keys(rows, unit, feature)
        again = np.array([vain[key] < EDGES.most_vain for key in keys], bool)
        unit, feature = unit[again], feature[again]
        if not len(unit):
            break
        points, found = edges(
            prefix, Candidates(rows, known, units.offsets, units.members, units.points), unit, feature, lines
        )
        unit, feature, points = unit[found], feature[found], points[found]
        if not len(unit):
            break
        entries, good = measure(probe, prefix, rows[unit], feature, points)
        vain.update(entry_keys(rows, unit[~good], feature[~good]))
        rows[unit[good], feature[good]] = entries[good]
        known[unit[good], feature[good]] = True
    return scaled(rows, known, units)


def scaled(rows: Array, known: Mask, units: Candidates) -> Candidates:
    """Return the units with rows, now of norm 1, of which more is known."""
    size = np.linalg.norm(rows, axis=1)
    return Candidates(rows / size[:, None], known, units.offsets / size, units.members, units.points)


def completed_by_programme(
    probe: Probe, prefix: Prefix, units: Candidates, lines: Lines, vain: Vain
) -> Candidates:
    """Ask for the entries that are still missing where a programme finds a place for them, each once."""
    rows, known = units.rows.copy(), units.known.copy()
    inner = Prefix(prefix.input_size, prefix.layers[:-1])
    for unit, feature in zip(*np.nonzero(~known), strict=True):
        (key,) = entry_keys(rows[unit : unit + 1], np.array([0]), np.array([feature]))
        if vain[key] > EDGES.most_vain:
            continue
        vain[key] = EDGES.most_vain + 1
        start = meeting(prefix, rows[unit], units.offsets[unit], known[unit], feature, lines.domain)
        if start is None:
            continue
        one = np.array([unit])
        now = Candidates(rows, known, units.offsets, units.members, units.points)
        point = onto_both(prefix, rows[one], units.offsets[one], inner, np.array([feature]), start[None])
        usable = on_both(prefix, inner, now, one, np.array([feature]), point) & well_inside(point, lines)
        if not usable[0]:
            continue
        entry, good = measure(probe, prefix, rows[one], np.array([feature]), point)
        if good[0]:
            rows[unit, feature], known[unit, feature] = entry[0], True
    return scaled(rows, known, units)


def entry_keys(rows: Array, unit: Index, feature: Index) -> list[tuple[bytes, int]]:
    """Name entries by the feature and by what is known of the row, which is the same after every merge."""
    named = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    named *= np.sign(named[np.arange(len(rows)), np.argmax(np.abs(named), axis=1)])[:, None]
    names = [np.round(row, EDGES.digits).tobytes() for row in named + 0.0]
    return [(names[u], int(f)) for u, f in zip(unit, feature, strict=True)]


def edges(prefix: Prefix, units: Candidates, unit: Index, feature: Index, lines: Lines) -> tuple[Array, Mask]:
    """Find for every pair a point on both hyperplanes where all other active entries are known.

    Returns:
        Points, shape (n, d), and which of them were found, shape (n,).
    """
    inner = Prefix(prefix.input_size, prefix.layers[:-1])
    best = np.zeros((len(unit), prefix.input_size))
    size = np.full(len(unit), np.inf)
    for _ in range(EDGES.starts):
        start = near_kinks(units.points[unit], lines)
        points = onto_both(prefix, units.rows[unit], units.offsets[unit], inner, feature, start)
        usable = on_both(prefix, inner, units, unit, feature, points)
        length = np.where(usable & well_inside(points, lines), np.linalg.norm(points, axis=1), np.inf)
        best[length < size] = points[length < size]
        size = np.minimum(size, length)
    return best, np.isfinite(size)


def on_both(
    prefix: Prefix, inner: Prefix, units: Candidates, unit: Index, feature: Index, points: Array
) -> Mask:
    """Whether points lie on both hyperplanes, all active features but the one known in the unit's row."""
    layer = prefix.layers[-1]
    level, slope = levels_and_slopes(prefix, units.rows[unit], units.offsets[unit], points)
    edge, normal = levels_and_slopes(inner, layer.rows[feature], layer.offsets[feature], points)
    reach = 1.0 + np.linalg.norm(points, axis=1)
    close = (np.abs(level) <= EDGES.on_edge * reach * np.linalg.norm(slope, axis=1)) & (
        np.abs(edge) <= EDGES.on_edge * reach * np.linalg.norm(normal, axis=1)
    )
    masks = prefix.masks(points)
    masks[np.arange(len(points)), feature] = False
    return np.asarray(close & ~(masks & ~units.known[unit]).any(axis=1))


def measure(probe: Probe, prefix: Prefix, rows: Array, feature: Index, points: Array) -> tuple[Array, Mask]:
    """Return the entry of each unit's row for a feature, measured at an edge, and which could be."""
    inner = Prefix(prefix.input_size, prefix.layers[:-1])
    off = prefix.masks(points)
    off[np.arange(len(points)), feature] = False
    normals = masked_gradients(prefix, points, rows * off)
    bends = inner.gradients(points, prefix.layers[-1].rows[feature])
    return bend_shares(probe, points, normals, bends)


def masked_gradients(prefix: Prefix, points: Array, rows: Array) -> Array:
    """Return rows . d features / dx with the last layer's mask already in the rows, shape (n, d)."""
    inner = Prefix(prefix.input_size, prefix.layers[:-1])
    return inner.gradients(points, rows @ prefix.layers[-1].rows)
