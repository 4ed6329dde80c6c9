"""Rows and offsets of the second layer's weak units, measured again behind the output that shows each best.

A unit that the first output weighs a billionth of others shows it a row with eight digits less, and an offset
still worse, as its kink was met far out. Another output may weigh it more. The tangents of two answers close
to a place on its hyperplane, one on either side, differ by its row, and meet on the hyperplane. Where values
are too coarse for that, gradients tell on which side of it they were given.
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
    single = probes(0).rounded
    weak = shown & (single | (strengths[0] < WEAK_UNITS.strength))
    rows, offsets = units.rows.copy(), units.offsets.copy()
    gaps = SHARPEN_BEHIND.told_twins, SHARPEN_BEHIND.twins
    if single:
        gaps = SHARPEN_BEHIND.single_told_twins, SHARPEN_BEHIND.single_twins
    twins = np.where(weak, gaps[1], 0.0)
    for place in np.unique(best[weak]):
        which = np.flatnonzero(weak & (best == place))
        for width in SHARPEN_BEHIND.widths:
            told, good, doubt = measured(probes(place), units.take(which), lines, width)
            rows[which[good]], offsets[which[good]] = told[good, :-1], told[good, -1]
            twins[which[good]] = np.clip(doubt[good], *gaps)
            which = which[~good]
            if not len(which):
                break
    order = np.argsort(-strengths.max(axis=0, initial=0.0), kind="stable")
    return without_twins(replace(units, rows=rows, offsets=offsets), twins, order)


def shares(weights: Array) -> Array:
    """Return weights (outputs, c) as shares of the largest behind each output."""
    size = np.abs(weights)
    return np.asarray(size / np.maximum(size.max(axis=1, initial=0.0, keepdims=True), TINY))


def has_weak(weights: Array) -> bool:
    """Whether the first of outputs (outputs, c) shows some unit too weakly to place it well."""
    return bool(shares(weights)[0].min(initial=np.inf) < WEAK_UNITS.strength)


def measured(
    probe: Probe, units: Candidates, lines: PositiveLines, width: float
) -> tuple[Array, Mask, Array]:
    """Ask about units on both sides of their hyperplanes.

    What was known stays where it differs by no more than rounding: it may have been measured where the unit
    is stronger. Else the place is halved in on, and the row read so close to it that no other unit switches.

    Args:
        probe: of an output that uses them.
        units: of the second layer.
        lines: where places are drawn.
        width: from the place to each question, relative to its length.

    Returns:
        Rows and offsets (n, h + 1), which tell, and what those that stay may be off by, shape (n,).
    """
    known = np.column_stack([units.rows, units.offsets])
    centres = nearest_on_hyperplanes(units, lines)
    beside = BothSides(probe, lines, units.rows, centres, width)
    if probe.rounded:
        good = beside.between & (beside.crooked <= SHARPEN_BEHIND.single_crooked)
        return beside.hyperplanes(), good, np.zeros(len(units))
    doubt = SHARPEN_BEHIND.sure * beside.rounding * (1 + beside.length)
    good = beside.crooked <= SHARPEN_BEHIND.crooked
    same = np.linalg.norm(beside.hyperplanes() - known, axis=1) <= doubt
    again = np.flatnonzero(good & ~same)
    out = known.copy()
    if len(again):
        places = centres[again] + beside.kinks(again)[:, None] * units.rows[again]
        near = BothSides(probe, lines, units.rows[again], places, SHARPEN_BEHIND.beside)
        out[again, :-1] = near.rows
        out[again, -1] = -np.einsum("nd,nd->n", near.rows, places)
        good[again], doubt[again] = near.crooked <= SHARPEN_BEHIND.crooked, 0.0
    return out, good, doubt


def nearest_on_hyperplanes(units: Candidates, lines: PositiveLines) -> Array:
    """Return features on units' hyperplanes, shape (c, h), the nearest of some: they show offsets best."""
    feet = -units.offsets[:, None] * units.rows
    places = lines.on_hyperplanes(feet, units.rows, SHARPEN_BEHIND.draws)
    best = np.linalg.norm(places, axis=2).argmin(axis=0)
    return np.asarray(places[best, np.arange(len(units))])


class BothSides:
    """Answers on both sides of hyperplanes of the second layer.

    Args:
        probe: of an output that uses them.
        lines: among features.
        rows: of the units as they are known, shape (n, h).
        centres: features on the hyperplanes as they are known, shape (n, h).
        width: from there to each question, relative to a centre's length.

    Attributes:
        length: of the centres, shape (n,).
        rows: that the jumps show, shape (n, h).
        crooked: how far these are from the ones known, shape (n,).
        rounding: relative error of the jumps, shape (n,).
    """

    def __init__(self, probe: Probe, lines: PositiveLines, rows: Array, centres: Array, width: float) -> None:
        self.probe, self.lines, self.centres, self.known = probe, lines, centres, rows
        self.length = np.linalg.norm(centres, axis=1)
        self.step = width * self.length
        every = np.arange(len(rows))
        self.after, self.high, steep = self.told(every, self.step)
        self.before, self.low, as_steep = self.told(every, -self.step)
        self.jumps = self.after - self.before
        self.size = np.maximum(np.linalg.norm(self.jumps, axis=1), TINY)
        self.sign = np.sign(np.einsum("nd,nd->n", self.jumps, rows))
        self.rows = (self.sign / self.size)[:, None] * self.jumps
        self.crooked = np.linalg.norm(self.rows - rows, axis=1)
        usual = np.linalg.norm(lines.free.inverse) / np.sqrt(lines.free.inverse.shape[0])  # of what it does
        self.rounding = probe.noise * np.maximum(steep, as_steep) * usual / self.size

    def told(self, which: Index, away: Array) -> tuple[Array, Array, Array]:
        """Ask about units (c,) at distances (c,); return slopes (c, h), values and steepness of each (c,)."""
        inputs = self.lines.free.points(self.centres[which] + away[:, None] * self.known[which])
        pieces = self.probe.pieces(inputs)
        values = np.einsum("nd,nd->n", pieces[:, :-1], inputs) + pieces[:, -1]
        return pieces[:, :-1] @ self.lines.free.inverse, values, np.linalg.norm(pieces[:, :-1], axis=1)

    @property
    def levels(self) -> Array:
        """How far from the centres the tangents on both sides meet, shape (n,)."""
        turns = np.einsum("nd,nd->n", self.after + self.before, self.step[:, None] * self.known)
        return np.asarray(self.sign * (self.high - self.low - turns) / self.size)

    @property
    def between(self) -> Mask:
        """Whether they meet between the questions, shape (n,)."""
        return np.asarray(np.abs(self.levels) < self.step)

    def hyperplanes(self) -> Array:
        """Return rows and offsets (n, h + 1), on which the tangents on both sides meet."""
        return np.column_stack([self.rows, self.levels - np.einsum("nd,nd->n", self.rows, self.centres)])

    def kinks(self, which: Index) -> Array:
        """Return how far from the centres the kinks are, shape (c,), halved in on by the sides of answers."""
        low, width = -self.step[which], 2 * self.step[which]
        for _ in range(SHARPEN_BEHIND.halvings):
            width = width / 2
            slopes = self.told(which, low + width)[0]
            share = np.einsum("nd,nd->n", slopes - self.before[which], self.jumps[which])
            low = np.where(share < self.size[which] ** 2 / 2, low + width, low)
        return np.asarray(low + width / 2)


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
