"""Offsets of units that rounded answers, or answers far out, show only roughly.

The place of a kink comes from the values at two answers that may lie far apart, and far from the origin: in
float32 that is some 1e-3. Near the origin and close to the hyperplane it is 1e-6, so the kink is sought again
on short segments across the hyperplane. In double precision that is needed where a unit is weak: one that is
a millionth as strong as others shows its place far out to 1e-4, and nearby to 1e-10.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.evidence import places
from divulge.reconstruction.deep.hyperplane_queries import unit_vectors
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import SHARPENING, TINY


def sharpened(probe: Probe, prefix: Prefix, units: Candidates, lines: Lines) -> Candidates:
    """Return the units with offsets as their kinks near the origin show them."""
    which, points = places(prefix, units, lines, SHARPENING.places)
    levels = levels_at_kinks(probe, prefix, units, which, points)
    offsets = units.offsets.copy()
    for j in np.unique(which[~np.isnan(levels)]):
        offsets[j] -= np.nanmedian(levels[which == j])
    return replace(units, offsets=offsets)


def levels_at_kinks(probe: Probe, prefix: Prefix, units: Candidates, which: Index, points: Array) -> Array:
    """Search across hyperplanes for the kinks that are predicted, and return the pre-activations there.

    Args:
        probe: where to ask.
        prefix: the layers before.
        units: the candidates.
        which: the candidate each place belongs to, shape (n,).
        points: places on their hyperplanes, shape (n, d).

    Returns:
        What the candidate's pre-activation is at the kink next to each place, NaN where there is none, (n,).
    """
    out = np.full(len(which), np.nan)
    if not len(which):
        return out
    normals = unit_vectors(prefix.gradients(points, units.rows[which]))
    reach = SHARPENING.reach * (
        1.0 + np.linalg.norm(points, axis=1, keepdims=True) / np.sqrt(points.shape[1])
    )
    ends = np.zeros(len(which)), np.ones(len(which))
    found = probe.kinks(points - reach * normals, 2 * reach * normals, *ends)
    size = np.linalg.norm(found.jumps, axis=1)
    cosine = np.abs(np.einsum("nd,nd->n", found.jumps, normals[found.line])) / np.maximum(size, TINY)
    own = np.flatnonzero(cosine > SHARPENING.aligned)
    own = own[np.argsort(cosine[own], kind="stable")]  # of several on one segment the best comes last
    unit, at = which[found.line[own]], found.points[own]
    levels = np.einsum("np,np->n", units.rows[unit], prefix.features(at)) + units.offsets[unit]
    out[found.line[own]] = levels
    return out


def weak_sharpened(probe: Probe, units: Candidates, lines: Lines) -> Candidates:
    """Return the first layer's units, offsets of weak ones measured again: two answers at a place near by.

    The tangents of answers on both sides of a hyperplane meet on it.

    Args:
        probe: whom to ask, anywhere.
        units: of the first layer, no more of them than inputs.
        lines: where places are drawn.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    shares = probe.answered()[1][:, :-1] @ np.linalg.pinv(units.rows, rcond=probe.tolerances.alike)
    gamma = np.abs(shares).max(axis=0, initial=0.0)  # small for a unit that was met twice, too
    weak = np.flatnonzero((gamma > 0) & (gamma < SHARPENING.weak * gamma.max(initial=0.0)))
    if not len(weak):
        return units
    which = np.repeat(weak, SHARPENING.places)
    rows, starts = units.rows[which], lines.samples(len(which))
    levels = np.einsum("nd,nd->n", rows, starts) + units.offsets[which]
    centres, step = starts - levels[:, None] * rows, SHARPENING.across * rows
    after, before = np.split(probe.pieces(np.concatenate([centres + step, centres - step])), 2)
    jumps = (after - before)[:, :-1]
    size = np.linalg.norm(jumps, axis=1)
    own = np.einsum("nd,nd->n", jumps, rows)
    gap = np.einsum("nd,nd->n", jumps, centres) + (after - before)[:, -1]
    alone = np.linalg.norm(jumps - own[:, None] * rows, axis=1) <= SHARPENING.crooked * size
    good = alone & (size > 0) & (np.abs(gap) < SHARPENING.across * size)
    offsets = units.offsets.copy()
    for j in np.unique(which[good]):
        mine = good & (which == j)
        offsets[j] += np.median(gap[mine] / own[mine])
    return replace(units, offsets=offsets)
