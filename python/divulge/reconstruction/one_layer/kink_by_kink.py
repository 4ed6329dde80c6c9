"""Kinks certified one by one: slower than decoding, but for any number of units."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.native_search import search_lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.fresh_queries import fresh_residual
from divulge.reconstruction.network.fit import fit
from divulge.reconstruction.network.record import homogeneous
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.one_layer.search import Found, Report, Search
from divulge.reconstruction.settings import KINK_BY_KINK, TINY


class KinkByKinkSearch(Search):
    """Finds every kink on one line after another until fresh answers are explained.

    Attributes:
        through: points (n, d) that the first lines go through.
    """

    def __init__(
        self, transcript: Transcript, lines: Lines, report: Report, through: Array | None = None
    ) -> None:
        super().__init__(transcript, lines, report)
        self.through = np.empty((0, lines.input_size)) if through is None else through

    def rounds(self) -> Found:
        """Search line after line; the certificate is infinite where the lines run out at once."""
        tolerance, units = self.transcript.tolerances.rounding, Units.none(self.lines.input_size)
        self.best, worst = fit(self.transcript, units), np.inf
        for number in range(len(self.through) + KINK_BY_KINK.most_lines):
            line = (
                self.line_through(self.through[number])
                if number < len(self.through)
                else self.lines.add_line()
            )
            met = kinks_on_line(self.transcript, self.lines, line)
            grown = add_hyperplanes(units, met, self.transcript.tolerances.alike)
            if len(units) and 2 * (len(grown) - len(units)) > len(met) + 8:
                break  # the hyperplanes of one hidden layer are met again on every line
            units = grown
            self.best = fit(self.transcript, units)
            worst = fresh_residual(self.best, self.transcript, self.lines, tolerance)
            if worst <= tolerance and number + 1 >= len(self.through):
                break
        self.report(self.best)
        return Found(self.best, worst, solved=worst <= tolerance)

    def line_through(self, point: Array) -> int:
        """Add a line from a random point through this one and beyond, all across a box; return its number."""
        start = self.lines.inside(1)[0]
        if self.lines.domain is None:
            return self.lines.join(np.append(start, 1.0), np.append(point, 1.0))[0]
        step = np.where(point == start, TINY, point - start)
        across = float(np.max((np.array(self.lines.domain) - start) / step, axis=0).min())
        return self.lines.join(np.append(start, 1.0), np.append(start + across * step, 1.0))[0]


def kinks_on_line(transcript: Transcript, lines: Lines, line: int) -> Units:
    """Return the units met on a line."""
    low, high = lines.ends()
    origin, direction = lines.origins[line : line + 1, :-1], lines.directions[line : line + 1, :-1]
    found = search_lines(transcript, origin, direction, low, high)
    jumps = np.column_stack([found.jumps, found.offsets])
    end = homogeneous(origin + high * direction)
    return Units(jumps, np.sign(jumps @ end[0]))


def add_hyperplanes(units: Units, more: Units, alike: float) -> Units:
    """Join units whose hyperplanes are not among those known, or `alike`."""
    fresh = unlike(units, more, alike)
    return units.join(more.jumps[fresh], more.sides[fresh])


def unlike(units: Units, more: Units, alike: float) -> Mask:
    """Return which of more units have hyperplanes that are not among those known, or `alike`."""
    if not len(more):
        return np.zeros(0, bool)
    size = np.linalg.norm(units.jumps[:, :-1], axis=1), np.linalg.norm(more.jumps[:, :-1], axis=1)
    old, new = units.jumps / size[0][:, None], more.jumps / size[1][:, None]
    turn = np.sign(new[:, :-1] @ old[:, :-1].T)
    square = (new**2).sum(axis=1)[:, None] + (old**2).sum(axis=1) - 2 * turn * (new @ old.T)
    gap = np.sqrt(np.maximum(square, 0.0)).min(axis=1, initial=np.inf)
    return np.asarray(gap > alike)
