"""Layers behind a first one wider than its input: sides, units, rows, the output."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.fit_as_last import DeepFit
from divulge.reconstruction.deep.wide.always_on import sides_beside
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.fitting import Fitting
from divulge.reconstruction.deep.wide.grow import layer_of, with_beside
from divulge.reconstruction.deep.wide.open_entries import tell_entries
from divulge.reconstruction.deep.wide.progress import Progress
from divulge.reconstruction.deep.wide.sides import no_sides, parallel, without_rest, wrong_sides
from divulge.reconstruction.deep.wide.unfinished import unfinished
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import OPEN_ENTRIES, WIDE_SEARCH

NONE = np.empty(0, np.intp)


def can_follow(probe: Probe) -> bool:
    """Whether units can be followed: by sharp gradients that may be asked for anywhere."""
    return probe.domain is None and not probe.rounded and not probe.bends_are_cheap


class WideSearch(Fitting):
    """The state of the search behind layers whose hyperplanes are known.

    Args:
        probe: whom to ask.
        lines: the domain, and what draws.
        prefix: the layers before, one at least, the last one's units turned either way.
        enough: relative residual from which on a fit explains its answers.
        loose: features before the last layer of the prefix that are handed on beside it.
        before: what the last layer of the prefix was found by, None for the first one.

    Attributes:
        turned_over: which units of the last layer were turned the wrong way, None where that is not known or
            units beside them are on everywhere.
        looked: whether lines were searched with all sides known.
        attempts: how often this layer was begun again.
        explained: whether a copy explained many fresh answers: others are looked for where it is judged.
    """

    def __init__(
        self,
        probe: Probe,
        lines: Lines,
        prefix: Prefix,
        enough: float,
        loose: Index = NONE,
        before: WideSearch | None = None,
    ) -> None:
        super().__init__(probe, lines, Known(prefix, open_sides=True, loose=loose), enough, before)
        self.earlier = before
        self.turned_over: Mask | None = None
        self.looked = False
        self.attempts = 0
        self.explained = False

    def run(self) -> DeepFit | None:
        """Search to the end; return the best fit, or None where the sides are not told."""
        if self.known.open_sides and not self.turned() and (self.outdated or not self.passed()):
            return None
        if not self.looked:
            self.looked = True
            self.find(WIDE_SEARCH.idle, lambda: False)
            self.look_around()
        if not self.units or self.outdated:
            return None
        fresh, vain, progress = WIDE_SEARCH.points, 0, Progress()
        for _ in range(WIDE_SEARCH.rounds):
            tell_entries(self.probe, self.known, self.units, self.lines.rng)
            fit, wrong, right = self.as_last(fresh)
            self.explained |= fit is not None and fresh >= WIDE_SEARCH.most_points
            if fit is not None and self.explained and not self.more_entries():
                return fit
            if fit is None and self.suspects and self.wrong_share > WIDE_SEARCH.mostly:
                self.deeper = True
                break
            more = min(WIDE_SEARCH.more * fresh, WIDE_SEARCH.most_points)
            fresh = WIDE_SEARCH.points if fit is None else more
            new = self.between(wrong, right)
            if self.outdated or not progress.goes_on(self.equations, self.wrong_share):
                break
            vain = vain + 1 if fit is None and not new and self.wrong_share > WIDE_SEARCH.mostly else 0
            self.deeper = vain >= WIDE_SEARCH.vain
            if self.deeper:
                break
        return None

    def more_entries(self) -> int:
        """Look for where open entries show at far more points; return how many were told.

        Its points are drawn beside the stream of random numbers: where none is told, nothing else changes.
        """
        rng = self.lines.rng.spawn(1)[0]
        return tell_entries(self.probe, self.known, self.units, rng, OPEN_ENTRIES.points_then)

    def grown(self) -> WideSearch:
        """Return the search behind the units found, taken as one layer more."""
        layer, loose = layer_of(self.units, *self.rows(by_answers=False))
        prefix = self.known.prefix.grown(layer)
        return WideSearch(self.probe, self.lines, prefix, self.enough, loose, self)

    def next(self) -> WideSearch | None:
        """Return the search to go on with, or None where there is none: again, or one layer behind."""
        if self.outdated:
            return self.again() if self.attempts < WIDE_SEARCH.attempts else None
        many = len(self.known.prefix.layers) + 1 == WIDE_SEARCH.layers
        return self.grown() if self.deeper and not many else None

    def again(self) -> WideSearch:
        """Return this search begun again with what is known now of the layers before."""
        before = self.earlier
        if before is None or before.outdated:
            return self if before is None else before.again()
        new = before.grown()
        new.attempts = self.attempts + 1
        if self.turned_over is not None and len(self.turned_over) == new.known.width:
            new.turned_over = self.turned_over
            new.turn(self.turned_over)
            new.take_over(self)
            new.looked = self.looked
        return new

    def so_far(self) -> DeepFit | None:
        """Return what is known, of this layer or of those before; None where not even two layers are."""
        fit = unfinished(self)
        return fit if fit is not None or self.earlier is None else self.earlier.so_far()

    def look_through(self, point: Array) -> None:
        """Search between a point (d,) where the copy is wrong and a random one."""
        self.between(self.within_reach(point)[None], self.lines.samples(1))

    def turned(self) -> bool:
        """Follow units until their equations tell the sides of the first layer; turn it."""
        self.find(WIDE_SEARCH.idle, self.sides_are_told)
        turned = wrong_sides(self.known, [unit.equations for unit in self.units])
        if turned is not None:
            self.turned_over = turned
            self.turn(turned)
            return True
        deep = len(self.known.prefix.layers) > 1 and not self.outdated
        found = sides_beside(self.known, [unit.equations for unit in self.units]) if deep else None
        if found is None:
            return False
        self.turn(*found)
        return True

    def turn(self, turned: Mask, always_on: Array | None = None) -> None:
        """Turn some units of the last layer over; rows (m, p) of units that are always on come beside it."""
        beside = np.eye(self.known.prefix.layers[-1].rows.shape[1])[self.known.loose]
        beside = beside if always_on is None else np.vstack([beside, always_on])
        layer, sign = self.known.prefix.layers[-1], np.where(turned, -1.0, 1.0)
        for unit in self.units:
            unit.equations = without_rest(self.known, unit.equations, turned, beside)
        inner = self.known.prefix.layers[:-1]
        dense = Dense(layer.rows * sign[:, None], layer.offsets * sign)
        prefix = with_beside(Prefix(self.probe.input_size, [*inner, dense]), beside)
        self.known = Known(prefix, open_sides=False)

    def passed(self) -> bool:
        """Take what comes in as handed on beside the layer's units, where no sides are right, or many."""
        equations = [unit.equations for unit in self.units]
        if not self.units or not (no_sides(self.known, equations) or parallel(self.known)):
            return False
        *inner, last = self.known.prefix.layers
        prefix = Prefix(self.probe.input_size, [*inner, last.with_passage()])
        self.known = Known(prefix, open_sides=False)
        return True

    def sides_are_told(self) -> bool:
        """Whether the units followed so far determine every side."""
        many = sum(len(unit.equations) > self.known.width for unit in self.units)
        if many * self.known.prefix.layers[-1].rows.shape[1] < self.known.width:
            return False
        return wrong_sides(self.known, [unit.equations for unit in self.units]) is not None
