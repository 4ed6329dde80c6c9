"""Whole rows of the second layer kink by kink: for units of all strengths, and more of them than features.

Close to a kink, on both sides, nothing else switches: the jump is the unit's row to rounding, whatever other
units are still missing. Least squares over all answers would spread these over the rows that are known. So
what known rows leave of an answer is the sum of missing units that are on there, a millionth of the strongest
as plainly as these, and lines are drawn to where it is largest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.probe import Kinks
from divulge.reconstruction.deep.kinks_elsewhere import KinksElsewhere
from divulge.reconstruction.deep.positive_features import PositiveLines
from divulge.reconstruction.deep.read_again import is_twin, read_again, rounding_of
from divulge.reconstruction.fresh_queries import fresh_residual
from divulge.reconstruction.network.fit import Fit, median_remainder
from divulge.reconstruction.network.record import homogeneous
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.one_layer.kink_by_kink import unlike
from divulge.reconstruction.settings import POSITIVE, TINY


@dataclass
class OnlyUnits:
    """Units without an affine part, as a function that a probe may take off its answers."""

    units: Units

    def pieces(self, points: Array, output: int) -> Array:
        """Affine pieces (n, h + 1) around features (n, h)."""
        return self.units.pieces(homogeneous(points))


class RowsByKinks:
    """Certifies kink after kink, known units taken off.

    Args:
        transcript: whom to ask about features, and the answers so far.
        lines: segments between positive features.

    Attributes:
        units: those found, and those known before that the output uses.
        places: a point on the hyperplane of each, shape (c, h).
    """

    def __init__(self, transcript: Transcript, lines: PositiveLines) -> None:
        self.transcript = transcript
        self.lines = lines
        self.probe = GradientProbe(transcript)
        self.units = Units.none(lines.input_size)
        self.places = np.empty((0, lines.input_size))
        self.base = np.zeros(lines.input_size + 1)
        self.tried: set[int] = set()  # answers that a line was drawn to

    def run(self) -> Units | None:
        """Return the units; None where there are no end of them.

        Units that explain all but a millionth are returned, too: the rest may be a weak one of the first
        layer.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        error, tolerances, deeper = (
            np.inf,
            self.transcript.tolerances,
            KinksElsewhere(self.transcript, self.lines),
        )
        begun, idle = len(self.units) > 0, 0  # behind another output, whose kinks were no deeper layer's
        for _ in range(POSITIVE.lines):
            before, line = len(self.units), self.next_line()
            kinks = self.kinks(line)
            if not begun and deeper.shown_by(kinks):
                return None
            self.add(*self.measured(line, kinks))
            if len(self.units) > POSITIVE.most * self.lines.input_size:
                return None
            left, clear = self.left()
            error = float(left[clear].max(initial=0.0))
            if error <= tolerances.same and self.explains_fresh(error):
                return self.units
            idle = idle + 1 if len(self.units) == before else 0
            if idle >= POSITIVE.idle and error <= tolerances.alike:
                break
        return self.units if error <= tolerances.alike else None

    def begin_with(self, rows: Array, offsets: Array, places: Array) -> tuple[Array, Mask]:
        """Take units behind another output as known; those that this one does not use are left out.

        A row, or an offset, that the jump at its place shows to be off by more than rounding is replaced.

        Args:
            rows: shape (c, h), of length 1.
            offsets: shape (c,).
            places: a point on the hyperplane of each, shape (c, h), where no other is near.

        Returns:
            Rows and offsets as they are now, shape (c, h + 1), and which are those of an earlier one, (c,).

        Raises:
            Stopped: the oracle can be asked no further.
        """
        beside = POSITIVE.single_beside if self.probe.rounded else POSITIVE.beside
        hyperplanes, weights, used = read_again(self.transcript, rows, offsets, places, beside)
        met = Units(weights[:, None] * hyperplanes, np.sign(weights))
        twin = np.zeros(len(rows), bool)
        for unit in np.flatnonzero(used):
            one, place = met.take(np.array([unit])), places[unit : unit + 1]
            twin[unit] = bool(self.is_twin(one, place)[0])
            self.add(one, place)
        return hyperplanes, twin

    def add(self, met: Units, places: Array) -> None:
        """Take the units as found whose hyperplanes are not known."""
        fresh = unlike(self.units, met, self.transcript.tolerances.alike) & ~self.is_twin(met, places)
        self.units = self.units.join(met.jumps[fresh], met.sides[fresh])
        self.places = np.concatenate([self.places, places[fresh]])

    def is_twin(self, met: Units, places: Array) -> Mask:
        """Whether units met at places (n, h) are ones that are known, but for rounding."""
        return is_twin(self.units, self.places, met, places, rounding_of(self.transcript))

    def next_line(self) -> int:
        """Add a segment between the answers explained best and worst, or a random one; return its number."""
        left, clear = self.left()
        worth = clear[left[clear] > self.transcript.tolerances.same]
        worth = np.array([row for row in worth if int(row) not in self.tried], np.intp)
        if not len(self.units) or not len(worth):
            return self.lines.add_line()
        worst, best = int(worth[np.argmax(left[worth])]), int(clear[np.argmin(left[clear])])
        self.tried.add(worst)
        points = self.transcript.points
        return self.lines.join(points[best], points[worst])[0]

    def left(self) -> tuple[Array, Index]:
        """Return the gradient that the units leave of every answer, relative, and which answers are clear.

        Beside the units is their median, not least squares: a missing unit would be spread over all answers.
        Answers near a hyperplane are no matter: rounding puts them on either side.
        """
        self.base = median_remainder(self.transcript, self.units)
        points, pieces = self.transcript.points, self.transcript.pieces
        left = np.linalg.norm((self.units.pieces(points) + self.base - pieces)[:, :-1], axis=1)
        clear = np.flatnonzero(distances_to(self.units, self.transcript) > POSITIVE.clear)
        return left / max(self.transcript.scale, TINY), clear

    def explains_fresh(self, error: float) -> bool:
        """Whether fresh answers, which are kept, are explained, too."""
        found, tolerance = Fit(self.units, self.base, error), self.transcript.tolerances.same
        return fresh_residual(found, self.transcript, self.lines, tolerance) <= tolerance

    def kinks(self, line: int) -> Kinks:
        """Search a line for what the known units leave."""
        known = OnlyUnits(self.units) if len(self.units) else None
        origin, direction = (
            ends[line : line + 1, :-1] for ends in (self.lines.origins, self.lines.directions)
        )
        return self.probe.kinks_beside(known, origin, direction, np.zeros(1), np.ones(1))

    def measured(self, line: int, kinks: Kinks) -> tuple[Units, Array]:
        """Return the units that switch at kinks on a line, known ones taken off, and places (c, h) of each.

        Jumps are asked close to kinks, on both sides. Far out a weak unit's kink is placed roughly, or none
        is seen: where nothing jumps beyond rounding so close it is sought by gradients alone, as far as
        halfway to the next kinks.
        """
        s = self.lines.to_s(kinks.t)
        halfway = np.concatenate([[-POSITIVE.ends], (s[1:] + s[:-1]) / 2, [POSITIVE.ends]])
        units, nothing = self.jumps(line, s - POSITIVE.beside, s + POSITIVE.beside)
        s, units = s[~nothing], units.take(np.flatnonzero(~nothing))
        for number in np.flatnonzero(nothing) if len(kinks) else range(1):
            ends = self.bisected(line, halfway[number], halfway[number + 1])
            if ends is not None:
                one, _ = self.jumps(line, *np.array(ends)[:, None])
                s, units = np.append(s, np.mean(ends)), units.join(one.jumps, one.sides)
        return units, self.lines.points(np.full(len(s), line), s)

    def bisected(self, line: int, low: float, high: float) -> tuple[float, float] | None:
        """Return two places close to each other on both sides of a kink, None if there is none between."""
        before, after = self.answers(line, np.array([low, high]))
        if self.same(before, after):
            return None
        while high - low > POSITIVE.beside:
            middle = (low + high) / 2
            between = self.answers(line, np.array([middle]))[0]
            low, high = (middle, high) if self.same(before, between) else (low, middle)
        return low, high

    def same(self, first: Array, second: Array) -> bool:
        """Whether the gradients of two pieces (h + 1,) differ by rounding alone."""
        return bool(np.linalg.norm((first - second)[:-1]) <= rounding_of(self.transcript))

    def answers(self, line: int, s: Array) -> Array:
        """Ask at places on a line, shape (n,); return the pieces (n, h + 1) without known units."""
        rows = self.transcript.ask(self.lines.points(np.full(len(s), line), s))
        return self.transcript.pieces[rows] - self.units.pieces(self.transcript.points[rows])

    def jumps(self, line: int, low: Array, high: Array) -> tuple[Units, Mask]:
        """Ask at two places each, shape (n,); return what jumps in between, and where that is nothing.

        The tangents meet on the hyperplane, or next to it where values are large and a unit is weak.
        """
        if not len(low):
            return Units.none(self.lines.input_size), np.zeros(0, bool)
        jumps = self.answers(line, high) - self.answers(line, low)
        slopes = jumps[:, :-1]
        start, end = (self.lines.points(np.full(len(s), line), s) for s in (low, high))
        least, most = np.sort([-np.einsum("nd,nd->n", slopes, at) for at in (start, end)], axis=0)
        jumps[:, -1] = np.clip(jumps[:, -1], least, most)
        nothing = np.linalg.norm(slopes, axis=1) <= rounding_of(self.transcript)
        return Units(jumps, np.sign(slopes @ self.lines.directions[line, :-1])), nothing


def distances_to(units: Units, transcript: Transcript) -> Array:
    """Return how far answers are from the nearest hyperplane, relative to their own size, shape (n,)."""
    levels = np.abs(transcript.points @ units.jumps.T)
    reach = np.linalg.norm(transcript.points[:, :-1], axis=1)[:, None]
    levels /= np.linalg.norm(units.jumps[:, :-1], axis=1) * reach + np.abs(units.jumps[:, -1])
    return np.asarray(levels.min(axis=1, initial=np.inf))
