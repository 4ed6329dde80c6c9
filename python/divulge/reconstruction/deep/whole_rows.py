"""The units of the second layer as those of an only one over positive features."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.lines import Edges, Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.probe import Kinks, Probe
from divulge.reconstruction.asking.stopped import Stopped
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.confirm_together import sharp_far_out
from divulge.reconstruction.deep.positive_features import FeatureOutput, PositiveLines
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.fresh_queries import fresh_residual
from divulge.reconstruction.network.fit import Fit, fit, median_remainder
from divulge.reconstruction.network.record import homogeneous
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.one_layer.by_decoding import DecodingSearch
from divulge.reconstruction.one_layer.decoding import Residual
from divulge.reconstruction.one_layer.is_deeper import jump_errors
from divulge.reconstruction.one_layer.kink_by_kink import add_hyperplanes
from divulge.reconstruction.settings import DEEPER, POSITIVE, WEAK_UNITS


class PositiveSearch(DecodingSearch):
    """Decodes among positive features, of which there may be as many as units."""

    lines: PositiveLines

    def scattered(self) -> Array:
        """Return a point beside every axis, and others: a copy must explain every unit that is ever on."""
        return np.concatenate([self.lines.axes(), super().scattered()])

    def reached(self, residual: Residual) -> tuple[int, ...]:
        """Return how far the search has come: the span is complete from the start."""
        links, rank, certified, exact, units = super().reached(residual)
        return links, rank, exact, units, certified

    def worth_cutting(self, edges: Edges, live: Index) -> Index:
        """Return the open edges of any line that are not short: elsewhere their units lie further apart."""
        return live[(edges.high - edges.low)[live] > POSITIVE.short]

    def doubtful_from(self) -> int:
        """Return after how many answers to ask for deeper layers: few more certify kinks by then."""
        return POSITIVE.doubtful * self.transcript.input_size + POSITIVE.more_answers

    def too_many(self) -> bool:
        """Whether answers enough for as many units as features were decoded in vain."""
        enough = POSITIVE.answers * self.transcript.input_size + POSITIVE.more_answers
        return super().too_many() and len(self.transcript) > enough


@dataclass
class OnlyUnits:
    """Units without an affine part, as a function that a probe may take off its answers."""

    units: Units

    def pieces(self, points: Array, output: int) -> Array:
        """Affine pieces (n, h + 1) around features (n, h)."""
        return self.units.pieces(homogeneous(points))


def by_kinks(transcript: Transcript, lines: PositiveLines) -> Units | None:
    """Certify kink after kink where there are more units than features; None where there are no end of them.

    Units that explain all but a millionth are returned, too: the rest may be a weak one of the first layer.
    Rows are those of the fit, of weak units those of their kinks: in the fit these take up what others leave.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    probe, units = GradientProbe(transcript), Units.none(lines.input_size)
    best, error = units, np.inf
    for number in range(POSITIVE.lines):
        line = lines.add_line() if number % 2 == 0 else worst_line(transcript, lines, units)
        origin, direction = lines.origins[line : line + 1, :-1], lines.directions[line : line + 1, :-1]
        known = OnlyUnits(units) if len(units) else None
        kinks = probe.kinks_beside(known, origin, direction, np.zeros(1), np.ones(1))
        if number == 0 and differ_elsewhere(transcript, lines, kinks):
            return None
        if known is not None:
            kinks = measured_again(transcript, lines, line, kinks)
        jumps = np.column_stack([kinks.jumps, -np.einsum("nd,nd->n", kinks.jumps, kinks.points)])
        met = Units(jumps, np.sign(jumps @ homogeneous(origin + direction)[0]))
        units = add_hyperplanes(units, met, transcript.tolerances.alike)
        if len(units) > POSITIVE.most * lines.input_size:
            return None
        fitted, best = clear_fit(transcript, units)
        tolerance, error = transcript.tolerances.same, fitted.error
        if error <= tolerance and fresh_residual(fitted, transcript, lines, tolerance) <= tolerance:
            return best
    return best if error <= transcript.tolerances.alike else None


def measured_again(transcript: Transcript, lines: PositiveLines, line: int, kinks: Kinks) -> Kinks:
    """Ask close to kinks on a line, on both sides: what was taken off is known roughly where units are weak.

    Where nothing jumps beyond rounding both are asked once more, wider apart: a weak unit's kink is placed
    roughly, too. A kink at which nothing jumps then is left out.
    """
    jumps, open_ones = kinks.jumps.copy(), np.arange(len(kinks))
    for beside in POSITIVE.beside:
        s = lines.to_s(kinks.t[open_ones])[:, None] + beside * np.array([-1.0, 1.0])
        rows = transcript.ask(lines.points(np.full(s.size, line), s.reshape(-1)))
        pieces = transcript.pieces[rows].reshape(*s.shape, lines.input_size + 1)
        jumps[open_ones] = pieces[:, 1, :-1] - pieces[:, 0, :-1]
        sizes = np.linalg.norm(jumps[open_ones], axis=1)
        open_ones = open_ones[sizes <= transcript.tolerances.same * transcript.scale]
    return replace(kinks, jumps=jumps).take(np.delete(np.arange(len(kinks)), open_ones))


def clear_fit(transcript: Transcript, units: Units) -> tuple[Fit, Units]:
    """Fit the answers that are clear of all hyperplanes: the side of the others is told by rough rows.

    Ever fewer answers are taken until all that are taken are explained, or more than weak units are missing.
    The units are returned, too, without those of which least squares leave nothing, weak ones as they came.
    """
    distances, fits = distances_to(units, transcript), []
    for clearance in POSITIVE.clearances:
        fits.append(without_idle(transcript, units, np.flatnonzero(distances > clearance)))
        error = fits[-1][0].error
        if error <= transcript.tolerances.same or error > WEAK_UNITS.strength:
            break  # rows of strong units are sharp: fewer answers leave as much
    return min(fits, key=lambda found: found[0].error)


def distances_to(units: Units, transcript: Transcript) -> Array:
    """Return how far answers are from the nearest hyperplane, relative to their own size, shape (n,)."""
    levels = np.abs(transcript.points @ units.jumps.T)
    reach = np.linalg.norm(transcript.points[:, :-1], axis=1)[:, None]
    levels /= np.linalg.norm(units.jumps[:, :-1], axis=1) * reach + np.abs(units.jumps[:, -1])
    return np.asarray(levels.min(axis=1, initial=np.inf))


def differ_elsewhere(transcript: Transcript, lines: PositiveLines, kinks: Kinks) -> bool:
    """Ask some kinks' jumps elsewhere on their hyperplanes; return whether several are others there."""
    some = kinks.take(np.arange(min(len(kinks), POSITIVE.kinks)))
    places = lines.on_hyperplanes(some.points, some.jumps, DEEPER.places)
    differ = (jump_errors(transcript, places, some.jumps) > DEEPER.same).any(axis=0)
    return int(differ.sum()) > 1


def without_idle(transcript: Transcript, units: Units, rows: Index) -> tuple[Fit, Units]:
    """Fit these answers without units of which least squares leave nothing: two kinks taken for one."""
    found = fit(transcript, units, rows)
    size = np.linalg.norm(found.units.jumps[:, :-1], axis=1)
    used = size > transcript.tolerances.rounding * size.max(initial=0.0)
    kept = Units(units.jumps[used], units.sides[used])
    again = found if used.all() else fit(transcript, kept, rows)
    weak = (size < WEAK_UNITS.strength * size.max(initial=0.0))[used]
    return again, Units(np.where(weak[:, None], kept.jumps, again.units.jumps), kept.sides)


def worst_line(transcript: Transcript, lines: PositiveLines, units: Units) -> int:
    """Add the segment between the answers that units explain best and worst; return its number.

    With the median of what they leave as the affine part, not least squares: a unit that is missing would be
    spread over all answers. Answers near a hyperplane are no matter: rounding puts them on either side.
    """
    left = units.pieces(transcript.points) + median_remainder(transcript, units) - transcript.pieces
    off = np.linalg.norm(left[:, :-1], axis=1)
    clear = np.flatnonzero(distances_to(units, transcript) > POSITIVE.clearances[-1])
    off, points = off[clear], transcript.points[clear]
    return lines.join(points[np.argmin(off)], points[np.argmax(off)])[0]


def whole_rows(probe: Probe, free: FreeLayer, lines: Lines) -> Candidates | None:
    """Find the units of the second layer where it is the last, or return None.

    Args:
        probe: whom to ask.
        free: the first layer.
        lines: of the inputs; its random numbers are used.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    if not sharp_far_out(probe, lines):
        return None
    transcript, positive = Transcript(FeatureOutput(probe, free)), PositiveLines(free, lines.rng)
    found = PositiveSearch(transcript, positive, lambda fit: None).run()
    if found.stopped:
        raise Stopped(found.stopped)
    if found.deeper:
        return None
    best = found.fit.units if found.solved and found.fit is not None else by_kinks(transcript, positive)
    if best is None:
        return None
    hyperplanes = best.jumps / np.linalg.norm(best.jumps[:, :-1], axis=1, keepdims=True)
    rows, offsets = hyperplanes[:, :-1], hyperplanes[:, -1]
    points = free.points(np.zeros(rows.shape))
    return Candidates(rows, np.ones(rows.shape, bool), offsets, np.full(len(rows), 2, np.intp), points)
