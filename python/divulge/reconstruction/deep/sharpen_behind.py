"""Rows and offsets of the second layer's weak units, measured again behind the output that shows each best.

A unit that the first output weighs a billionth of others shows it a row with eight digits less, and an offset
still worse, as its kink was met far out. Another output may weigh it more. The tangents of two answers close
to a place on its hyperplane, one on either side, differ by its row, and meet on the hyperplane.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.positive_features import PositiveLines
from divulge.reconstruction.settings import SHARPEN_BEHIND, TINY, WEAK_UNITS


def sharpened_behind(
    probes: Callable[[int], Probe], units: Candidates, weights: Array, lines: PositiveLines
) -> Candidates:
    """Return units of the second layer, weak ones measured again, those that turn out to be one as one.

    Args:
        probes: of an output, by its place.
        units: of the second layer, all of their rows known.
        weights: of each behind every output, shape (outputs, c).
        lines: where places are drawn, among positive features.

    Raises:
        Stopped: an oracle can be asked no further.
    """
    strengths = shares(weights)
    best, tolerances = strengths.argmax(axis=0), probes(0).tolerances
    shown = strengths.max(axis=0, initial=0.0) > tolerances.rounding
    weak = shown & (probes(0).rounded | (strengths[0] < WEAK_UNITS.strength))
    rows, offsets, told_again = units.rows.copy(), units.offsets.copy(), np.zeros(len(units), bool)
    for place in np.unique(best[weak]):
        which = np.flatnonzero(weak & (best == place))
        for width in SHARPEN_BEHIND.widths:
            told, good = measured(probes(place), units.take(which), lines, width)
            rows[which[good]], offsets[which[good]] = told[good, :-1], told[good, -1]
            told_again[which[good]] = True
            which = which[~good]
            if not len(which):
                break
    order = np.argsort(-strengths.max(axis=0, initial=0.0), kind="stable")
    gaps = SHARPEN_BEHIND.told_twins, SHARPEN_BEHIND.twins
    if probes(0).rounded:
        gaps = SHARPEN_BEHIND.single_told_twins, SHARPEN_BEHIND.single_twins
    twins = np.where(told_again, *gaps)
    return without_twins(replace(units, rows=rows, offsets=offsets), np.where(weak, twins, 0.0), order)


def shares(weights: Array) -> Array:
    """Return weights (outputs, c) as shares of the largest behind each output."""
    size = np.abs(weights)
    return np.asarray(size / np.maximum(size.max(axis=1, initial=0.0, keepdims=True), TINY))


def has_weak(weights: Array) -> bool:
    """Whether the first of outputs (outputs, c) shows some unit too weakly to place it well."""
    return bool(shares(weights)[0].min(initial=np.inf) < WEAK_UNITS.strength)


def measured(probe: Probe, units: Candidates, lines: PositiveLines, width: float) -> tuple[Array, Mask]:
    """Ask about units on both sides of their hyperplanes; return rows and offsets (n, h + 1), and which tell.

    Args:
        probe: of an output that uses them.
        units: of the second layer.
        lines: where places are drawn.
        width: from the place to each question, relative to its length.
    """
    centres = lines.on_hyperplanes(-units.offsets[:, None] * units.rows, units.rows, 1)[0]
    step = width * np.linalg.norm(centres, axis=1, keepdims=True) * units.rows
    inputs = lines.free.points(np.concatenate([centres + step, centres - step]))
    pieces = probe.pieces(inputs)
    slopes = pieces[:, :-1] @ lines.free.inverse
    values = np.einsum("nd,nd->n", pieces[:, :-1], inputs) + pieces[:, -1]
    (after, before), (high, low) = np.split(slopes, 2), np.split(values, 2)
    jumps = after - before
    size = np.maximum(np.linalg.norm(jumps, axis=1), TINY)
    gap = high - low - np.einsum("nd,nd->n", after + before, step)  # of the tangents, at the centres
    sign = np.sign(np.einsum("nd,nd->n", jumps, units.rows))
    rows, level = (sign / size)[:, None] * jumps, sign * gap / size
    near = np.abs(level) < np.linalg.norm(step, axis=1)
    crooked = SHARPEN_BEHIND.single_crooked if probe.rounded else SHARPEN_BEHIND.crooked
    good = near & (np.linalg.norm(rows - units.rows, axis=1) <= crooked)
    return np.column_stack([rows, level - np.einsum("nd,nd->n", rows, centres)]), good


def without_twins(units: Candidates, within: Array, order: Index) -> Candidates:
    """Return units without those that are another's twin, the first in an order kept of each.

    Rows of a millionth are known to five digits, so that one met twice may look like two.

    Args:
        units: of the second layer.
        within: gap to an earlier one up to which each is its twin, 0 where it is none's, shape (c,).
        order: of the units, shape (c,).
    """
    hyperplanes = np.column_stack([units.rows, units.offsets])
    kept: list[int] = []
    for unit in order:
        turned = np.sign(units.rows[kept] @ units.rows[unit])[:, None] * hyperplanes[kept]
        gaps = np.linalg.norm(turned - hyperplanes[unit], axis=1)
        if within[unit] == 0 or (gaps > within[unit]).all():
            kept.append(int(unit))
    return units.take(np.sort(kept))
