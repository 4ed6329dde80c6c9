"""Reconstruction where only gradients come back: no tangents, so all offsets are bisected together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Edges, Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.fresh_queries import fresh_residual
from divulge.reconstruction.network.fit import Fit, decoded_fit, off_binary
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.one_layer.bisect_offsets import Brackets, bisect
from divulge.reconstruction.one_layer.decoding import jump_tolerance
from divulge.reconstruction.one_layer.search import Found, Report, Search
from divulge.reconstruction.settings import GRADIENTS_ALONE


class GradientSearch(Search):
    """Finds the units of one output from gradients alone, for independent rows (h <= d).

    1. Two lines are bisected. A unit alone on an edge of either shows the same jump, up to sign, on both;
       sums of units do so by chance only. Edges whose jump has no partner are cut again.
    2. Random answers are decoded. Coordinates other than 0 and 1 betray sums that were left; they are cut.
    3. Points x with D_j . x in the middle of every unit's bracket at once are queried; the decoded states
       halve all brackets together. About 45 queries give every offset to double precision.
    """

    def __init__(self, transcript: Transcript, lines: Lines, report: Report) -> None:
        super().__init__(transcript, lines, report)
        self.ends: tuple[Index, Index] = (np.empty(0, np.intp), np.empty(0, np.intp))

    def rounds(self) -> Found:
        """Tell the units apart, average, and bisect the offsets where no values tell them."""
        low, high = self.lines.span()
        for line in (self.lines.add_line(), self.lines.add_line()):
            nodes = GRADIENTS_ALONE.first_nodes
            self.ask(np.full(nodes, line), np.linspace(low, high, nodes))
        if not self.resolve():
            return Found(self.best, np.inf, solved=False)
        self.best = decoded_fit(self.transcript, self.best.units.jumps[:, :-1], self.best.base[:-1])
        if not self.transcript.tells_values:
            self.bisect_offsets()
        tolerance = self.transcript.tolerances.rounding
        certificate = fresh_residual(self.best, self.transcript, self.lines, tolerance)
        return Found(self.best, certificate, solved=certificate <= tolerance)

    def ask(self, line: Index, s: Array) -> None:
        """Query points on lines."""
        self.lines.record(self.transcript.ask(self.lines.points(line, s)), line, s)

    def resolve(self) -> bool:
        """Separate the units, then cut the sums that had an equal on the other line by chance."""
        scattered = self.transcript.ask(self.lines.samples(GRADIENTS_ALONE.scattered))
        for _ in range(GRADIENTS_ALONE.rounds):
            if not self.separate():
                return False
            jumps, base = self.best.units.jumps[:, :-1], self.best.base[:-1]
            off = off_binary(self.transcript, scattered, jumps, base)
            if off.max(initial=0.0) <= self.transcript.tolerances.missing:
                return True
            cut = self.suspects(off * np.linalg.norm(jumps, axis=1))
            if not len(cut):
                return False
            edges = self.lines.edges()
            self.ask(edges.line[cut], (edges.low[cut] + edges.high[cut]) / 2)
        return False

    def suspects(self, score: Array) -> Index:
        """Return the wide edges of the units that score highest."""
        edges = self.lines.edges()
        pairs = {frozenset(ends): k for k, ends in enumerate(zip(edges.left, edges.right, strict=True))}
        own = np.array([pairs[frozenset(ends)] for ends in zip(*self.ends, strict=True)], np.intp)
        wide = np.flatnonzero((edges.high - edges.low)[own] > GRADIENTS_ALONE.narrow)
        worst = wide[np.argsort(-score[wide], kind="stable")]
        return own[worst[: 1 + len(score) // GRADIENTS_ALONE.cut_share]]

    def separate(self) -> bool:
        """Bisect until every jump has its partner on the other line; False where that cannot be reached."""
        for _ in range(GRADIENTS_ALONE.rounds):
            edges = self.lines.edges()
            jumps = (self.transcript.pieces[edges.right] - self.transcript.pieces[edges.left])[:, :-1]
            live = np.flatnonzero(np.linalg.norm(jumps, axis=1) > jump_tolerance(self.transcript))
            wide = (edges.high - edges.low)[live] > GRADIENTS_ALONE.narrow
            alone = self.without_partner(jumps[live], edges.line[live])
            single = live[~wide & alone | ~alone & (edges.line[live] == 0)]
            self.consider(edges, jumps, single)
            cut = live[alone & wide]
            if not len(cut):
                return len(self.best.units) <= self.lines.input_size
            self.ask(edges.line[cut], (edges.low[cut] + edges.high[cut]) / 2)
        return False

    def without_partner(self, jumps: Array, line: Index) -> NDArray[np.bool_]:
        """Which jumps have no equal, up to sign, on the other line."""
        if not len(jumps):
            return np.zeros(0, bool)
        norms = np.linalg.norm(jumps, axis=1)
        products = jumps @ jumps.T
        gap = np.abs(np.abs(products) - norms[:, None] * norms) + (norms[:, None] - norms) ** 2
        gap[line[:, None] == line] = np.inf
        partner = gap.argmin(axis=1)
        own = np.arange(len(jumps))
        sign = np.where(products[own, partner] < 0, -1.0, 1.0)
        off = np.linalg.norm(jumps - sign[:, None] * jumps[partner], axis=1)
        return np.asarray((off > jump_tolerance(self.transcript)) | (line == line[partner]))

    def consider(self, edges: Edges, jumps: Array, single: Index) -> None:
        """Take these edges' jumps as units, off where the first line starts, kinks in the middle."""
        first = self.lines.row[self.lines.nodes(0)[0]]
        middles = (
            self.transcript.points[edges.left[single]] + self.transcript.points[edges.right[single]]
        ) / 2
        level = np.einsum("hd,hd->h", jumps[single], middles[:, :-1])
        at_left = np.einsum("hd,hd->h", jumps[single], self.transcript.points[edges.left[single], :-1])
        at_start = jumps[single] @ self.transcript.points[first, :-1]
        turned = (at_left - level) * (at_start - level) < 0
        sign = np.where(turned, -1.0, 1.0)
        ends = np.where(turned, edges.right[single], edges.left[single])
        self.ends = (ends, np.where(turned, edges.left[single], edges.right[single]))
        units = Units(np.column_stack([jumps[single], -level]) * sign[:, None], np.ones(len(single)))
        self.best = Fit(units, np.append(self.transcript.pieces[first, :-1], 0.0), np.inf)
        self.report(self.best)

    def bisect_offsets(self) -> None:
        """Halve all brackets together until they are as narrow as rounding."""
        jumps = self.best.units.jumps[:, :-1]
        left, right = (np.einsum("hd,hd->h", jumps, self.transcript.points[end, :-1]) for end in self.ends)
        sides = np.sign(right - left)
        base = self.best.base

        def take(brackets: Brackets) -> None:
            units = Units(np.column_stack([jumps, -brackets.middle()]), sides)
            self.best = Fit(units, base, 0.0)
            self.report(self.best)

        take(bisect(self.transcript, jumps, base[:-1], Brackets(left, right), take))
