"""Kinks certified one by one: slower than decoding, but for any number of units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge import _core
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Stopped, Transcript, homogeneous
from divulge.reconstruction.certificate import fresh_residual
from divulge.reconstruction.network.fit import Fit, fit
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.settings import KINK_BY_KINK

Array = NDArray[np.float64]


def certified_search(transcript: Transcript, lines: Lines, tolerance: float) -> tuple[Fit, float]:
    """Find every kink on one line after another until fresh answers are explained.

    Returns:
        The fit, and its largest relative residual on fresh queries (infinite where the lines ran out).

    Raises:
        Stopped: the oracle can be asked no further; the exception carries the fit so far as `fit`.
    """
    units = Units.none(lines.input_size)
    best = fit(transcript, units)
    worst = np.inf
    try:
        for _ in range(KINK_BY_KINK.most_lines):
            met = kinks_on_line(transcript, lines)
            grown = add_hyperplanes(units, met, transcript.tolerances.alike)
            if len(units) and 2 * (len(grown) - len(units)) > len(met) + 8:
                break  # the hyperplanes of one hidden layer are met again on every line
            units = grown
            best = fit(transcript, units)
            worst = fresh_residual(best, transcript, lines, tolerance)
            if worst <= tolerance:
                return best, worst
    except Stopped as stop:
        stop.fit = best
        raise
    return best, worst


def kinks_on_line(transcript: Transcript, lines: Lines) -> Units:
    """Return the units met on one more line."""
    failures: list[BaseException] = []

    def answer(points: Array) -> tuple[Array, Array]:
        try:
            rows = transcript.ask(points)
        except BaseException as error:
            failures.append(error)
            raise
        pieces = transcript.pieces[rows]
        return np.einsum("nd,nd->n", pieces, transcript.points[rows]), np.ascontiguousarray(pieces[:, :-1])

    line = lines.add_line()
    low, high = lines.ends()
    oracle = _core.CallbackOracle(answer, lines.input_size, transcript.tolerances.single)
    origin, direction = lines.origins[line : line + 1, :-1], lines.directions[line : line + 1, :-1]
    found = _core.kink_search(oracle, origin, direction, low, high)
    if failures:
        raise failures[0]
    jumps = np.column_stack([found.jumps, found.offsets])
    end = homogeneous(origin + high * direction)
    return Units(jumps, np.sign(jumps @ end[0]))


def add_hyperplanes(units: Units, more: Units, alike: float) -> Units:
    """Join units whose hyperplanes are not among those known, or `alike`."""
    if not len(more):
        return units
    size = np.linalg.norm(units.jumps[:, :-1], axis=1), np.linalg.norm(more.jumps[:, :-1], axis=1)
    old, new = units.jumps / size[0][:, None], more.jumps / size[1][:, None]
    turn = np.sign(new[:, :-1] @ old[:, :-1].T)
    square = (new**2).sum(axis=1)[:, None] + (old**2).sum(axis=1) - 2 * turn * (new @ old.T)
    gap = np.sqrt(np.maximum(square, 0.0)).min(axis=1, initial=np.inf)
    fresh = gap > alike
    return units.join(more.jumps[fresh], more.sides[fresh])
