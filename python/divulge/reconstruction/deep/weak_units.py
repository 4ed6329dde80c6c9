"""Offsets of the first layer's weak units, and of those met far out, measured again near the origin.

Weight decay leaves units that are a millionth as strong as others. The place of a kink comes from values,
whose rounding grows with the distance: far out such a unit shows its hyperplane to 1e-4 only, near by to
1e-10. A strong one that was met far out only, where others' values drown its own, shows it to 1e-7.

Of a ten-millionth values place it to 1e-6 even there, but gradients tell on which side of it they were given:
its place is halved in on by them, to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.settings import TINY, WEAK_UNITS


def weak_sharpened(probe: Probe, units: Candidates, lines: Lines, usual: float) -> Candidates:
    """Return the first layer's units, weak and far ones' offsets measured again near by, two answers a place.

    The tangents of answers on both sides of a hyperplane meet on it. Where values are too coarse beside the
    jump the gradients between tell more.

    Args:
        probe: whom to ask, anywhere.
        units: of the first layer, no more of them than inputs.
        lines: where places are drawn.
        usual: distance from the origin up to which points count as usual.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    shares = probe.answered()[1][:, :-1] @ np.linalg.pinv(units.rows, rcond=probe.tolerances.alike)
    gamma = np.abs(shares).max(axis=0, initial=0.0)  # small for a unit that was met twice, too
    weak = (gamma > 0) & (gamma < WEAK_UNITS.strength * gamma.max(initial=0.0))
    far = np.linalg.norm(units.points, axis=1) > WEAK_UNITS.far * usual
    left = np.flatnonzero(weak | far)
    if not len(left):
        return units
    offsets = units.offsets.copy()
    for _ in range(WEAK_UNITS.rounds):
        which = np.repeat(left, WEAK_UNITS.places)
        told = gaps_near_by(probe, units, lines, which)
        found = np.unique(which[told.good])
        for j in found:
            offsets[j] += np.median(told.gaps[told.good & (which == j)])
        best = np.array(
            [np.argmin(np.where(told.good & (which == j), told.doubt, np.inf)) for j in found], np.intp
        )
        blunt = best[told.doubt[best] > WEAK_UNITS.doubt]
        offsets[which[blunt]] = units.offsets[which[blunt]] - halved(probe, told.take(blunt))
        left = np.setdiff1d(left, found)
        if not len(left):
            break
    return replace(units, offsets=offsets)


@dataclass(frozen=True)
class Beside:
    """Answers beside hyperplanes, a unit each.

    Attributes:
        centres: places on the hyperplanes as they are known, shape (n, d).
        rows: of the units, shape (n, d).
        before: gradients at some distance, on the side of the lower level, shape (n, d).
        jumps: to those on the other side, shape (n, d).
        gaps: level at the centres minus the one supposed, as the tangents tell it, shape (n,).
        doubt: rounding of it, shape (n,).
        good: which tell, shape (n,).
    """

    centres: Array
    rows: Array
    before: Array
    jumps: Array
    gaps: Array
    doubt: Array
    good: Mask

    def take(self, which: Index) -> Beside:
        """Return some of them."""
        return Beside(*(getattr(self, each.name)[which] for each in fields(self)))


def gaps_near_by(probe: Probe, units: Candidates, lines: Lines, which: Index) -> Beside:
    """Ask about units (n,) at a place each, on both sides.

    Where later layers are off, or another unit switches as near, nothing is told.
    """
    rows, starts = units.rows[which], lines.samples(len(which))
    levels = np.einsum("nd,nd->n", rows, starts) + units.offsets[which]
    centres, step = starts - levels[:, None] * rows, WEAK_UNITS.across * rows
    after, before = np.split(probe.pieces(np.concatenate([centres + step, centres - step])), 2)
    jumps = (after - before)[:, :-1]
    size = np.linalg.norm(jumps, axis=1)
    own = np.einsum("nd,nd->n", jumps, rows)
    gap = np.einsum("nd,nd->n", jumps, centres) + (after - before)[:, -1]
    alone = np.linalg.norm(jumps - own[:, None] * rows, axis=1) <= WEAK_UNITS.crooked * size
    good = alone & (size > 0) & (np.abs(gap) < WEAK_UNITS.across * size)
    gaps = np.divide(gap, own, out=np.zeros_like(gap), where=good)
    ends = np.column_stack([centres, np.ones(len(centres))])
    values = np.linalg.norm(before, axis=1) * np.linalg.norm(ends, axis=1)  # the sums they are rounded in
    doubt = probe.noise * values / np.maximum(size, TINY)
    return Beside(centres, rows, before[:, :-1], jumps, gaps, doubt, good)


def halved(probe: Probe, beside: Beside) -> Array:
    """Return how far along the rows from the centres kinks are, shape (n,), by sides of ever nearer answers.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    low = np.full(len(beside.centres), -WEAK_UNITS.across)
    width = 2 * WEAK_UNITS.across
    while len(low) and width > WEAK_UNITS.placed:
        width /= 2
        asked = probe.pieces(beside.centres + (low + width)[:, None] * beside.rows)[:, :-1]
        share = np.einsum("nd,nd->n", asked - beside.before, beside.jumps)
        below = share < np.einsum("nd,nd->n", beside.jumps, beside.jumps) / 2
        low = np.where(below, low + width, low)
    return low + width / 2
