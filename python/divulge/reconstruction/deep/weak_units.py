"""Offsets of the first layer's weak units, and of those met far out, measured again near the origin.

Weight decay leaves units that are a millionth as strong as others. The place of a kink comes from values,
whose rounding grows with the distance: far out such a unit shows its hyperplane to 1e-4 only, near by to
1e-10. A strong one that was met far out only, where others' values drown its own, shows it to 1e-7.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.settings import WEAK_UNITS


def weak_sharpened(probe: Probe, units: Candidates, lines: Lines, usual: float) -> Candidates:
    """Return the first layer's units, weak and far ones' offsets measured again near by, two answers a place.

    The tangents of answers on both sides of a hyperplane meet on it.

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
        gaps, good = gaps_near_by(probe, units, lines, which)
        for j in np.unique(which[good]):
            offsets[j] += np.median(gaps[good & (which == j)])
        left = np.setdiff1d(left, which[good])
        if not len(left):
            break
    return replace(units, offsets=offsets)


def gaps_near_by(probe: Probe, units: Candidates, lines: Lines, which: Index) -> tuple[Array, Mask]:
    """Ask about units (n,) at a place each; return how far offsets are off (n,), and which places tell.

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
    return np.divide(gap, own, out=np.zeros_like(gap), where=good), good
