"""Whole rows from two questions a unit, where the first layer leaves the choice of region.

At a point of the unit's hyperplane all features that its row is not known for are lifted to just above 0. The
hyperplane hardly moves, but the gradient's jump across it is now

    D = c sum over active and lifted features i of r_i W_i,

which a masked least-squares solve takes apart.
"""

from __future__ import annotations

import numpy as np

from divulge import _core
from divulge.arrays import Array, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.settings import LIFTING, TINY


def whole_rows(probe: Probe, free: FreeLayer, units: Candidates, lines: Lines) -> Candidates:
    """Ask for everything that is missing from the units' rows."""
    rows, known = units.rows.copy(), units.known.copy()
    for length in LIFTING.steps:
        left = np.flatnonzero(~known.all(axis=1))
        if not len(left):
            break
        measured, good = measure(probe, free, rows[left], known[left], units.offsets[left], length, lines)
        rows[left[good]] = measured[good]
        known[left[good]] |= seen(measured[good], LIFTING.hidden if probe.rounded else 0.0) | (
            length == LIFTING.steps[-1]
        )
    size = np.linalg.norm(rows, axis=1)
    return Candidates(rows / size[:, None], known, units.offsets / size, units.members, units.points)


def measure(
    probe: Probe,
    free: FreeLayer,
    rows: Array,
    known: Mask,
    offsets: Array,
    length: float,
    lines: Lines,
) -> tuple[Array, Mask]:
    """Return rows with their missing entries filled in, and which of them could be measured.

    Args:
        probe: where to ask.
        free: the first layer.
        rows: of the units, 0 where unknown, shape (c, h).
        known: which entries have been seen, shape (c, h).
        offsets: shape (c,).
        length: of the step across a hyperplane, in lifts.
        lines: the domain, and what draws the regions.
    """
    small = probe.tolerances.loose
    active = known & (lines.rng.uniform(size=known.shape) < 0.5)
    levels = free.hyperplane_levels(rows, offsets, active, lines.rng)
    reached = np.isfinite(levels).all(axis=1) & ~lines.saturated(free.points(levels))
    levels[~reached] = 0.0
    levels = np.where(known, levels, small * free.spread)
    step = np.where(active, rows, 0.0) * free.spread
    length = np.sqrt(length) if probe.rounded else length
    step *= small * length / np.maximum(np.abs(step).max(axis=1, keepdims=True), TINY)
    ends = [free.points(levels + sign * step * free.spread) for sign in (1.0, -1.0)]
    pieces = probe.pieces(np.concatenate(ends), np.full(2 * len(rows), small))[:, :-1]
    jumps = pieces[: len(rows)] - pieces[len(rows) :]
    found, residuals, ranks = _core.masked_least_squares(free.layer.rows, jumps, active | ~known)
    scale = np.einsum("ch,ch->c", found, rows * active) / np.maximum((rows**2 * active).sum(axis=1), TINY)
    safe = np.where(scale == 0, 1.0, scale)
    off = np.linalg.norm(np.where(active, found / safe[:, None] - rows, 0.0), axis=1)
    exact = probe.tolerances.missing
    good = reached & (scale != 0) & (residuals <= exact) & (off <= exact)
    return np.where(known, rows, found / safe[:, None]), good & (ranks == (active | ~known).sum(axis=1))


def seen(rows: Array, share: float) -> Mask:
    """Return which entries are at least such a share of the largest of their row, shape (c, h)."""
    return np.asarray(np.abs(rows) >= share * np.abs(rows).max(axis=1, keepdims=True, initial=0.0))
