"""Offsets of units that rounded answers show only roughly.

The place of a kink comes from the values at two answers that may lie far apart, and far from the origin: in
float32 that is some 1e-3. Near the origin and close to the hyperplane it is 1e-6, so the kink is sought again
on short segments across the hyperplane.
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
