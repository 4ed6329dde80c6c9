"""Tell single units from sums of several, without asking anything more.

Between two neighbouring queries the affine piece jumps by the sum of the units that switched in between. If
it was one unit alone, its jump D gives its whole hyperplane {x : D . (x, 1) = 0}, and so its 0/1 state at
every point that was ever queried. Two tests compare that prediction with the other answers.

*Span test (exact).* With S the states (queries x units) and J the jumps, the gradients are G = 1 base' + S J.
The columns of S lie in the column space of [1, G] when the rows of J are independent; a predicted state
vector that does not is no unit's. The test decides as soon as a few more answers are at hand than the space
has dimensions.

*Matched filter (a guess, before that).* On every other line the same unit must appear in the sum at the
predicted place: with rho = jump there . D / |D|^2, rho is 1 up to the other units in that sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Edges, Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.one_layer.states_near_kinks import settle_states, shifts
from divulge.reconstruction.settings import FIT, SPAN, TINY


@dataclass
class CandidateJumps:
    """Jumps over edges, each a unit's if nothing else switched there, shape (c, ...)."""

    edge: Index
    jumps: Array
    sides: Array
    norms: Array


class Residual:
    """What the accepted units leave unexplained in every answer, and the edges on which it still jumps."""

    def __init__(self, transcript: Transcript, edges: Edges) -> None:
        self.points = transcript.points
        self.edges = edges
        self.units = Units.none(transcript.points.shape[1] - 1)
        self.pieces = transcript.pieces.copy()
        self.tolerance = jump_tolerance(transcript)
        self.reach = np.linalg.norm(self.points, axis=1)
        self.rounding = transcript.noise * transcript.scale
        self.refresh()

    def refresh(self) -> None:
        """Compute the jump left over on every edge."""
        self.jumps = self.pieces[self.edges.right] - self.pieces[self.edges.left]
        self.norms = np.linalg.norm(self.jumps[:, :-1], axis=1)

    def accept(self, jumps: Array, sides: Array) -> None:
        """Take these units as found."""
        new = Units(jumps, sides)
        self.units = self.units.join(jumps, sides)
        self.pieces -= new.pieces(self.points)
        self.refresh()

    def blur(self, found: CandidateJumps) -> Array:
        """Error with which candidates' hyperplanes predict a level at every point, shape (c, n).

        0 at the two ends of a candidate's own edge: their states need no prediction.
        """
        left, right = self.edges.left[found.edge], self.edges.right[found.edge]
        blur = FIT.blur * self.rounding * ((self.reach[left] + self.reach[right])[:, None] + self.reach)
        own = np.arange(len(blur))
        blur[own, left] = blur[own, right] = 0.0
        return np.asarray(blur)

    def live(self) -> Index:
        """Edges of lines on which something unexplained switches."""
        return np.flatnonzero(self.norms[: self.edges.on_line] > self.tolerance)

    def candidates(self) -> CandidateJumps:
        """Leftover jumps whose hyperplane does separate the two ends of their edge."""
        edge = np.flatnonzero(self.norms > self.tolerance)
        jumps = self.jumps[edge]
        at_left = np.einsum("cd,cd->c", jumps, self.points[self.edges.left[edge]])
        at_right = np.einsum("cd,cd->c", jumps, self.points[self.edges.right[edge]])
        between = at_left * at_right < 0
        return CandidateJumps(
            edge[between], jumps[between], np.sign(at_right[between]), self.norms[edge[between]]
        )


def jump_tolerance(transcript: Transcript) -> float:
    """Norm below which a jump of the gradient is rounding."""
    return transcript.tolerances.same * transcript.scale


class Span:
    """Orthonormal basis of the gradients' span, grown answer by answer."""

    def __init__(self, input_size: int) -> None:
        self.rows = np.empty((0, input_size))
        self.seen = 0
        self.factored: Factored | None = None  # of the answers some rounds ago
        self.fresh = 0  # answers that differ from every earlier one

    def update(self, transcript: Transcript) -> None:
        """Take in the answers that came since the last call."""
        tolerance = jump_tolerance(transcript)
        gradients = transcript.pieces[:, :-1]
        for row in range(max(self.seen, 1), len(gradients)):
            gap = np.linalg.norm(gradients[:row] - gradients[row], axis=1).min()
            self.fresh += bool(gap > tolerance)
            rest = gradients[row] - gradients[0]
            for _ in range(2):
                rest = rest - (rest @ self.rows.T) @ self.rows
            norm = float(np.linalg.norm(rest))
            if norm > SPAN.rounding_adds_up * tolerance:
                self.rows = np.concatenate([self.rows, rest[None] / norm])
        self.seen = len(gradients)

    @property
    def rank(self) -> int:
        """Dimension of the span of gradient differences."""
        return len(self.rows)

    def complement(self, transcript: Transcript) -> Array:
        """Orthonormal basis of what is orthogonal to [1, gradients], shape (n, n - rank - 1)."""
        gradients = transcript.pieces[:, :-1]
        coordinates = (gradients - gradients[0]) @ self.rows.T
        columns = np.column_stack([np.ones(len(gradients)), coordinates])
        if self.factored is None or not self.factored.reaches(columns):
            self.factored = Factored.of(columns)
        return self.factored.complement(columns)


@dataclass
class Factored:
    """A QR factorisation, that of a matrix with a few more rows following from it.

    Attributes:
        inside: orthonormal basis of the columns' span, shape (n, m).
        outside: of what is orthogonal to it, shape (n, n - m).
        r: the triangular factor, shape (m, m).
    """

    inside: Array
    outside: Array
    r: Array

    @classmethod
    def of(cls, columns: Array) -> Factored:
        """Factor a matrix (n, m)."""
        q, r = np.linalg.qr(columns, mode="complete")
        m = columns.shape[1]
        return cls(q[:, :m], q[:, m:], r[:m])

    def reaches(self, columns: Array) -> bool:
        """Whether a matrix is this one with a few more rows."""
        more = len(columns) - len(self.inside)
        return columns.shape[1] == self.inside.shape[1] and more <= SPAN.more_rows

    def complement(self, columns: Array) -> Array:
        """Return the basis of what is orthogonal to the columns of a matrix that has these rows first.

        With B the new rows the columns (-Q R^-T B', I), made orthonormal, complete it.
        """
        known, more = self.inside.shape[0], len(columns) - len(self.inside)
        if not more:
            return self.outside
        x = solve_triangular(self.r, columns[known:].T, trans="T")
        new = solve_triangular(np.linalg.cholesky(x.T @ x + np.eye(more)), np.eye(more), lower=True).T
        none = np.zeros((more, self.outside.shape[1]))
        return np.block([[self.outside, -self.inside @ (x @ new)], [none, new]])


def span_test(residual: Residual, complement: Array, most: int, seen: set[bytes]) -> bool:
    """Accept every candidate whose predicted states lie in the column space; repeat on what is left.

    Args:
        residual: what is to be explained.
        complement: orthonormal basis of what is orthogonal to the columns of [1, gradients].
        most: units there may be in all, by the dimension of the span.
        seen: states of the units accepted so far; taken on.

    Returns:
        False when more units passed than that: the span was not yet complete.
    """
    while True:
        found = residual.candidates()
        levels = (found.jumps @ residual.points.T) * found.sides[:, None]
        allowed = span_tolerance(residual, found)
        states, off = settle_states(levels, residual.blur(found), complement, allowed)
        shift = shifts(levels, states)
        found.jumps[:, -1] += found.sides * np.nan_to_num(shift)
        chosen = []
        for number in np.flatnonzero((off < allowed) & np.isfinite(shift)):
            pattern = states[number]
            if pattern.tobytes() in seen or pattern.all() or not pattern.any():
                continue
            seen.update((pattern.tobytes(), (~pattern).tobytes()))
            chosen.append(number)
        if not chosen:
            return len(residual.units) <= most
        residual.accept(found.jumps[chosen], found.sides[chosen])
        if len(residual.units) > most:
            return False


def span_tolerance(residual: Residual, found: CandidateJumps) -> Array:
    """Distance from the column space below which a candidate's states count as inside, shape (c,).

    A unit's states are the answers' coordinates along a direction of length 1 / |D| at least: n answers, each
    off by the tolerance, move them by sqrt(n) tolerance / |D|.
    """
    rounding = residual.tolerance * np.sqrt(len(residual.points)) / found.norms
    return np.asarray(np.minimum(rounding, SPAN.widest))


@dataclass
class Evidence:
    """What the other lines say about candidates, shape (c, lines) each."""

    edge: Index
    agrees: NDArray[np.bool_]
    contradicts: NDArray[np.bool_]
    deviation: Array


def evidence(residual: Residual, lines: Lines, found: CandidateJumps, dimension: float) -> Evidence:
    """Matched filter of every candidate on every other line."""
    _, edge, growth = lines.crossings(found.jumps)
    direction = np.sign(growth) * found.sides[:, None]
    rho = np.empty(edge.shape)
    for line in range(edge.shape[1]):
        rho[:, line] = np.einsum("cd,cd->c", residual.jumps[edge[:, line], :-1], found.jumps[:, :-1])
    rho *= direction / found.norms[:, None] ** 2
    ratio = residual.norms[edge] / found.norms[:, None]
    other = (edge >= 0) & (np.arange(edge.shape[1]) != residual.edges.line[found.edge][:, None])
    deviation = ratio / np.sqrt(dimension)
    gap = np.abs(rho - 1)
    exact = other & (gap < SPAN.exact) & (np.abs(ratio - 1) < SPAN.exact)
    contradicts = other & (gap > np.maximum(SPAN.sigmas * deviation, SPAN.deviation)) & ~exact
    return Evidence(edge, exact, contradicts, np.where(other, np.maximum(deviation, SPAN.deviation), np.inf))


def matched_filter(residual: Residual, lines: Lines, dimension: float) -> None:
    """Accept, best supported first, the candidates that the other lines bear out."""
    while len(residual.units) < len(residual.edges):
        found = residual.candidates()
        if not len(found.edge):
            return
        seen = evidence(residual, lines, found, dimension)
        combined = 1 / np.sqrt(np.maximum((1 / seen.deviation**2).sum(axis=1), TINY))
        quality = np.where(seen.agrees.any(axis=1), 2.0, 1 - combined)
        quality[seen.contradicts.any(axis=1)] = -1.0
        chosen = disjoint(quality, seen.edge, found.edge)
        if not chosen:
            return
        residual.accept(found.jumps[chosen], found.sides[chosen])


def disjoint(quality: Array, crossed: Index, own: Index) -> list[int]:
    """Return the best candidates, no two of which touch the same edge."""
    order = [number for number in np.argsort(-quality, kind="stable") if quality[number] > 1 - SPAN.close]
    used: set[int] = set()
    chosen = []
    for number in order:
        if quality[number] < quality[order[0]] - SPAN.close / 4:
            break
        touched = {int(edge) for edge in crossed[number] if edge >= 0} | {int(own[number])}
        if not touched & used:
            used |= touched
            chosen.append(int(number))
    return chosen


def effective_dimension(jumps: Array) -> float:
    """Return 1 / mean squared cosine: the dimension in which random directions are as orthogonal."""
    if len(jumps) < 2:
        return float(jumps.shape[1])
    unit = jumps / np.linalg.norm(jumps, axis=1)[:, None]
    cosines = unit @ unit.T
    n = len(unit)
    mean = (np.sum(cosines**2) - n) / (n * (n - 1))
    return float(min(1 / max(mean, TINY), jumps.shape[1]))
