"""Whether units of the first layer show where they must, many of them asked about at once.

Independent rows R (m, d) may all be put at a small distance from their hyperplanes, on chosen sides s:

    x = x_0 + R^+ (distance s - o - R x_0).

Between that point and the one with sides -s all of these units switch, and hardly any other: the gradients
differ by sum_j s_j c_j r_j, which gives every c_j at once. A candidate that is a deeper unit's has none
there.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.kinks_shown_once import KinksShownOnce
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Kinks, Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.unexplained_gradients import far_origin
from divulge.reconstruction.settings import LAYERS, LINE, TINY, TOGETHER


def sharp_far_out(probe: Probe, lines: Lines) -> bool:
    """Whether one may ask anywhere, and a gradient is one sharp answer."""
    anywhere = probe.domain is None and lines.reach >= LINE.reach
    return anywhere and not (probe.rounded or probe.bends_are_cheap)


def confirmed_together(probe: Probe, units: Candidates, lines: Lines, known: Candidates | None) -> Mask:
    """Return which candidates are units of the first layer, shape (c,).

    The rows of two deeper units' kinks may differ by a row of the first layer: then both show where both are
    asked about. Who was not found at every place is asked about once more among few others.

    Args:
        probe: whom to ask.
        units: candidates for the first layer.
        lines: what draws the places, in all of R^d.
        known: units of the layer, or None.
    """
    share, told = shown_together(probe, units, lines, TOGETHER.share, known)
    sure = (share == 1) & (told >= TOGETHER.enough)
    again = np.flatnonzero(~sure & ((share >= LAYERS.hit_share) | (told < TOGETHER.enough)))
    if known is None and sure.any():
        known = units.take(sure)
    share, told = shown_together(probe, units.take(again), lines, TOGETHER.few, known)
    sure[again] = (share >= LAYERS.hit_share) & (told > 1)
    return np.asarray(sure)


def on_first_line(probe: Probe, search: KinksShownOnce, lines: Lines) -> Kinks:
    """Return the kinks of a line, those that are no first layer's shown from both sides.

    A kink whose jump shows again wherever its hyperplane is asked about was that of one unit.

    Args:
        probe: whom to ask.
        search: of the line, nothing asked yet.
        lines: what draws the places, in all of R^d.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    kinks = search.run()
    size = np.linalg.norm(kinks.jumps, axis=1)
    there = np.flatnonzero(size)  # what two lines leave may be a kink of none
    kinks, size = kinks.take(there), size[there]
    rows = kinks.jumps / size[:, None]
    offsets = -np.einsum("nd,nd->n", rows, kinks.points)
    one, whole = np.ones(len(rows), np.intp), np.ones(rows.shape, bool)
    units = Candidates(rows, whole, offsets, one, kinks.points)
    share, told = shown_together(probe, units, lines, TOGETHER.share, None, TOGETHER.first_places)
    return search.prove(kinks.t[(share == 1) & (told > 0)])


def shown_together(
    probe: Probe,
    units: Candidates,
    lines: Lines,
    part: float,
    known: Candidates | None,
    places: int = LAYERS.places,
) -> tuple[Array, Index]:
    """Return the share of places at which each unit was found, and how many told, shape (c,) each.

    Args:
        probe: whom to ask.
        units: candidates for the first layer.
        lines: what draws the places, in all of R^d.
        part: of as many units as there are independent rows that are asked about at once.
        known: units of the first layer; at every place their levels are large, that later layers be on there.
        places: how often each is asked about.
    """
    found, told = np.zeros(len(units), np.intp), np.zeros(len(units), np.intp)
    each = max(1, int(part * np.linalg.matrix_rank(units.rows))) if len(units) else 1
    for _ in range(places):
        order = lines.rng.permutation(len(units))
        for start in range(0, len(units), each):
            group = order[start : start + each]
            origin = lines.samples(1)[0] if known is None else far_origin(probe, known, lines)
            switched = switching(probe, units.rows[group], units.offsets[group], origin, lines)
            if switched is not None:
                told[group] += 1
                found[group] += switched
    return found / np.maximum(told, 1), told


def switching(probe: Probe, rows: Array, offsets: Array, start: Array, lines: Lines) -> Mask | None:
    """Ask on both sides of hyperplanes near a start; return which switch, None where that cannot be told."""
    inverse = inverse_of(rows)
    gradients = both_sides(probe, rows, offsets, inverse, len(rows), start, lines)
    return switched_between(probe, rows, inverse, len(rows), gradients)


def inverse_of(rows: Array) -> Array:
    """Return R^+ of rows (m, d), shape (d, m)."""
    return np.asarray(np.linalg.pinv(rows, rcond=TOGETHER.dependent), float)


def both_sides(
    probe: Probe, rows: Array, offsets: Array, inverse: Array, count: int, start: Array, lines: Lines
) -> Array:
    """Return the gradients on both sides of hyperplanes near a start, shape (2, d).

    Args:
        probe: whom to ask.
        rows: shape (m, d), independent.
        offsets: shape (m,).
        inverse: R^+, shape (d, m).
        count: how many of the hyperplanes, the first, lie between; on the others both points are.
        start: where they are looked for, shape (d,).
        lines: what draws the sides.
    """
    distance = TOGETHER.near * (1.0 + np.linalg.norm(start) / np.sqrt(len(start)))
    sides = np.zeros(len(rows))
    sides[:count] = lines.rng.choice([-distance, distance], count)
    centre = start - inverse @ (rows @ start + offsets)
    away = inverse @ sides
    return probe.pieces(np.stack([centre + away, centre - away]))[:, :-1]


def switched_between(probe: Probe, rows: Array, inverse: Array, count: int, gradients: Array) -> Mask | None:
    """Return which of the first rows (m, d) tell two gradients (2, d) apart, None where others do, too."""
    jump, size = gradients[0] - gradients[1], np.linalg.norm(gradients, axis=1).sum()
    if np.linalg.norm(jump) <= probe.tolerances.rounding * size:
        return np.zeros(count, bool) if size > 0 else None
    shares = jump @ inverse
    if np.linalg.norm(shares @ rows - jump) > TOGETHER.crooked * np.linalg.norm(jump):
        return None
    shares = np.abs(shares[:count])
    return np.asarray(shares > probe.tolerances.missing * max(shares.max(), TINY))
