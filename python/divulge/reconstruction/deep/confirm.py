"""Whether a unit shows where it must: questions at random places of its hyperplane."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.evidence import places, rank_within
from divulge.reconstruction.deep.hyperplane_queries import borne_out
from divulge.reconstruction.deep.sharpen_offsets import levels_at_kinks
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import CONFIRM


def shown(
    probe: Probe, prefix: Prefix, units: Candidates, lines: Lines, most: int, near: bool = False
) -> tuple[Array, Index]:
    """Return the share of up to so many places at which a kink was found, and how many were asked about.

    Where a place costs eight values a unit that does not show at the first two is asked about no more. Places
    near the units' own kinks are there even where they are hardly ever on.
    """
    which, points = places(prefix, units, lines, most, near)
    first = CONFIRM.first_places if probe.bends_are_cheap else most
    good, asked = np.zeros(len(which), bool), rank_within(which) < first
    good[asked] = at(probe, prefix, units, which[asked], points[asked])
    promising = np.bincount(which, weights=good, minlength=len(units)) > 0
    rest = ~asked & promising[which]
    good[rest] = at(probe, prefix, units, which[rest], points[rest])
    count = np.bincount(which[asked | rest], minlength=len(units))
    found = np.bincount(which, weights=good, minlength=len(units))
    return found / np.maximum(count, 1), count


def at(probe: Probe, prefix: Prefix, units: Candidates, which: Index, points: Array) -> Mask:
    """Return at which places (n, d) the hyperplanes of units `which` show, shape (n,)."""
    if probe.rounded:
        return ~np.isnan(levels_at_kinks(probe, prefix, units, which, points))
    return borne_out(probe, prefix, units, which, points)
