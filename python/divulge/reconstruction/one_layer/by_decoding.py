"""The search for hidden units with few queries: which point to ask about next.

One line is cut ever finer, a few more are cut coarsely. Every round the answers are decoded (see `decode`);
only edges on which something unexplained switches are cut again. A cut is made

- where the tangents of the two ends meet, if that lies inside the edge: two units whose output weights have
the same
  sign always switch on different sides of it;
- else beside the line: of two units with opposite output weights a move along their common jump D, kept
orthogonal to
  every other jump, switches one on and the other off;
- else in the middle.

No unit is asked about on its own; most are told apart by the span test once the queries outnumber the units.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Edges, Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.fresh_queries import fresh_residual
from divulge.reconstruction.network.fit import Fit, fit, median_remainder
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.one_layer.decoding import (
    Residual,
    Span,
    effective_dimension,
    matched_filter,
    span_test,
)
from divulge.reconstruction.one_layer.is_deeper import looks_deeper
from divulge.reconstruction.one_layer.search import Found, Report, Search
from divulge.reconstruction.settings import DECODING, SPAN


class DecodingSearch(Search):
    """Finds the units behind one output, or as many as the structure of the answers allows."""

    cut_share = DECODING.cut_share

    def __init__(self, transcript: Transcript, lines: Lines, report: Report) -> None:
        super().__init__(transcript, lines, report)
        self.span = Span(transcript.input_size)
        self.tried: dict[tuple[int, int], int] = {}
        self.exact = False
        self.linked: set[tuple[int, int]] = set()
        self.certified = 0

    def rounds(self) -> Found:
        """Ask and decode until everything is explained, or no round brings anything new."""
        self.transcript.ask(self.scattered())
        for _ in range(DECODING.lines_in_box if self.lines.domain else DECODING.lines):
            self.walk(self.lines.add_line(), DECODING.first_nodes)
        idle, doubtful = 0, self.may_be_deep()
        progress: tuple[int, ...] = ()
        while idle < DECODING.stalled_rounds and not self.drowned():
            residual = self.decode()
            if self.best.error <= self.tolerance:
                certificate = self.certify()
                if certificate <= self.tolerance:
                    return Found(self.best, certificate, solved=True)
            elif self.too_many() or self.certified > 2 * self.span.rank + 8:
                break  # more units than independent jumps: nothing to decode by
            elif doubtful and len(self.transcript) >= self.doubtful_from():
                doubtful = False
                if looks_deeper(self.transcript, self.lines, residual.edges):
                    return Found(self.best, np.inf, solved=False, deeper=True)
            else:
                self.cut(residual)
            latest = self.reached(residual)
            idle = 0 if latest > progress else idle + 1
            progress = max(progress, latest)
        return Found(self.best, np.inf, solved=False)

    def reached(self, residual: Residual) -> tuple[int, ...]:
        """Return how far the search has come, by numbers of which the first that differ decide."""
        links = min(len(self.linked), DECODING.most_links)
        units = len(residual.units) if self.exact else 0
        return links, self.span.rank, self.certified, self.exact, units

    def scattered(self) -> Array:
        """Return points (n, d) to ask about before any line."""
        return self.lines.samples(DECODING.scattered)

    def too_many(self) -> bool:
        """Whether there may be more units than independent jumps."""
        return self.span.rank >= self.transcript.input_size

    def may_be_deep(self) -> bool:
        """Whether to ask early for more hidden layers than one: in a box few units bend a line."""
        return not self.transcript.noisy and self.lines.domain is None

    def doubtful_from(self) -> int:
        """Return after how many answers without a solution to ask; blunt answers may take long to decode."""
        if self.transcript.tolerances.single:
            return DECODING.single_doubtful
        usual = DECODING.doubtful_start + DECODING.doubtful_rank * self.span.rank
        return min(DECODING.doubtful, 4 * self.lines.input_size, usual)

    def drowned(self) -> bool:
        """Whether noise keeps single units from being told apart: far more was asked than ever is without."""
        answers = len(self.transcript) - DECODING.drowned_after
        return self.transcript.noisy and answers > DECODING.noisy_answers * self.span.rank

    @property
    def tolerance(self) -> float:
        """Relative error of a gradient that counts as rounding."""
        return self.transcript.tolerances.same

    def walk(self, line: int, count: int) -> None:
        """Query `count` points spread evenly along a line."""
        low, high = self.lines.span()
        self.ask(np.full(count, line), np.linspace(low, high, count))

    def ask(self, line: Index, s: Array) -> None:
        """Query points on lines."""
        self.lines.record(self.transcript.ask(self.lines.points(line, s)), line, s)

    def certify(self) -> float:
        """Ask fresh points and return the largest relative residual of value and gradient there."""
        return fresh_residual(self.best, self.transcript, self.lines, self.tolerance)

    def decode(self) -> Residual:
        """Explain the answers as far as they can be."""
        edges = self.lines.edges()
        self.span.update(self.transcript)
        spare = self.span.fresh - self.span.rank - (len(self.lines.origins) - 1)
        self.exact, self.certified = False, 0
        if spare >= SPAN.spare_answers and not self.too_many():
            residual = Residual(self.transcript, edges)
            complement = self.span.complement(self.transcript)
            if self.spanned(residual, complement) and 3 * len(residual.units) >= self.span.rank:
                self.exact = True
                self.consider(residual.units, settled=not len(residual.live()))
                return residual
        residual = Residual(self.transcript, edges)
        self.accept_narrow(residual, self.narrow_edges(edges))
        own = residual.live()
        dimension = effective_dimension(residual.jumps[own[edges.line[own] == 0], :-1])
        matched_filter(residual, self.lines, dimension)
        self.consider(residual.units, settled=not len(residual.live()))
        return residual

    def spanned(self, residual: Residual, complement: Array) -> bool:
        """Accept what the span test passes, then what narrow edges hold, until nothing is left to accept."""
        seen: set[bytes] = set()
        waiting = self.narrow_edges(residual.edges)
        while span_test(residual, complement, self.span.rank + self.certified, seen):
            if not self.accept_narrow(residual, waiting):
                return True
        return False

    def narrow_edges(self, edges: Edges) -> NDArray[np.bool_]:
        """Which edges are so narrow that a jump over them is taken for one unit's."""
        return (edges.high - edges.low <= self.narrow) & (np.arange(len(edges)) < edges.on_line)

    def accept_narrow(self, residual: Residual, waiting: NDArray[np.bool_]) -> bool:
        """Accept the units held by waiting edges, one by one: two may hold the same. Say whether any was."""
        before = self.certified
        while True:
            found = residual.candidates()
            first = np.flatnonzero(waiting[found.edge])[:1]
            if not len(first):
                return self.certified > before
            residual.accept(found.jumps[first], found.sides[first])
            waiting[found.edge[first]] = False
            self.certified += 1

    def consider(self, units: Units, settled: bool = False) -> None:
        """Take these units as the latest guess, and refit them once they may explain everything."""
        self.best = Fit(units, median_remainder(self.transcript, units), np.inf)
        enough = len(units) >= self.span.rank
        if settled + enough + self.exact >= 2:  # any two bear a guess out
            self.best = fit(self.transcript, units)
        self.report(self.best)

    def cut(self, residual: Residual) -> None:
        """Ask one round of points, each on an edge where something unexplained switches."""
        edges = residual.edges
        live = residual.live()
        live = live[edges.high[live] - edges.low[live] > self.narrow]
        pool = self.worth_cutting(edges, live)
        if not len(pool):
            self.link(residual)
            return
        chosen = pool[np.argsort(-residual.norms[pool], kind="stable")][
            : max(1, int(self.cut_share * len(pool)))
        ]
        on_line: list[tuple[int, float]] = []
        beside: list[tuple[int, Array]] = []
        for edge in chosen:
            point = self.cut_edge(residual, int(edge), live)
            if isinstance(point, float):
                on_line.append((int(edges.line[edge]), point))
            else:
                beside.append((int(edge), point))
        on_line += [] if self.exact else self.support(edges)
        self.ask(np.array([line for line, _ in on_line], np.intp), np.array([s for _, s in on_line]))
        self.ask_beside(edges, beside)

    def worth_cutting(self, edges: Edges, live: Index) -> Index:
        """Return the open edges of which some are to be cut: those of the main line while there are any."""
        main = live[edges.line[live] == 0]
        return main if len(main) else live

    def link(self, residual: Residual) -> None:
        """Draw a line from the answer explained worst to the one explained best."""
        left = (residual.pieces - np.median(residual.pieces, axis=0))[:, :-1]
        off = np.linalg.norm(left, axis=1)
        worst, best = int(np.argmax(off)), int(np.argmin(off))
        if off[worst] <= residual.tolerance or (worst, best) in self.linked:
            self.walk(self.lines.add_line(), DECODING.first_nodes)
            return
        self.linked.add((worst, best))
        line, s = self.lines.join(self.transcript.points[best], self.transcript.points[worst])
        self.lines.record(np.array([best, worst]), np.array([line, line]), s)

    def cut_edge(self, residual: Residual, edge: int, live: Index) -> float | Array:
        """Return s of the next cut, or a point beside the line."""
        edges = residual.edges
        low, high, line = float(edges.low[edge]), float(edges.high[edge]), int(edges.line[edge])
        key = (int(edges.left[edge]), int(edges.right[edge]))
        attempt = self.tried[key] = self.tried.get(key, -1) + 1
        width = high - low
        step = min(self.bracket, DECODING.least_share * width)
        middle = (low + high) / 2
        if self.transcript.tells_values:
            meet = float(self.lines.crossings(residual.jumps[edge][None])[0][0, line])
            if min(meet - low, high - meet) > 2 * step:
                return meet + (step if meet < middle else -step)
            if attempt and low < meet < high and max(meet - low, high - meet) > 2 * step:
                return meet - step if meet - low > 2 * step else meet + step
        if attempt == 0 and self.lines.domain is None and width > DECODING.beside * self.narrow:
            point = self.beside(residual, edge, live, middle)
            if point is not None:
                return point
        return middle

    @property
    def narrow(self) -> float:
        """Width of an edge that holds one kink between two queries close on either side."""
        return DECODING.narrow * self.bracket

    @property
    def bracket(self) -> float:
        """Distance from a kink at which its side is certain."""
        tolerances = self.transcript.tolerances
        return tolerances.loose if tolerances.single else DECODING.bracket

    def beside(self, residual: Residual, edge: int, live: Index, middle: float) -> Array | None:
        """Return a point off the line that parts two units with opposite output weights."""
        if not len(residual.units):
            return None
        jump = residual.jumps[edge, :-1]
        usual = np.median(np.linalg.norm(residual.units.jumps[:, :-1], axis=1))
        if np.linalg.norm(jump) > DECODING.two_units * usual:
            return None
        line = residual.edges.line[edge]
        others = live[(live != edge) & (residual.edges.line[live] == line)]
        fixed = np.concatenate([residual.jumps[others, :-1], residual.units.jumps[:, :-1]])
        basis = np.linalg.qr(fixed.T)[0]
        free = jump - basis @ (basis.T @ jump)
        length = np.linalg.norm(free)
        if length < DECODING.free * np.linalg.norm(jump):
            return None
        low, high = self.lines.to_t(np.array([residual.edges.low[edge], residual.edges.high[edge]]))
        move = self.lines.rng.choice([-1.0, 1.0]) * DECODING.across * (high - low) / length * free
        point = self.lines.points(np.array([line]), np.array([middle]))[0] + move
        return np.asarray(point) if self.lines.holds(point) else None

    def ask_beside(self, edges: Edges, beside: list[tuple[int, Array]]) -> None:
        """Query points beside lines and note which edge each belongs to."""
        if not beside:
            return
        rows = self.transcript.ask(np.stack([point for _, point in beside]))
        for row, (edge, _) in zip(rows, beside, strict=True):
            self.lines.beside[int(row)] = (
                int(edges.left[edge]),
                int(edges.right[edge]),
                int(edges.line[edge]),
                float(edges.low[edge]),
                float(edges.high[edge]),
            )

    def support(self, edges: Edges) -> list[tuple[int, float]]:
        """Cuts that keep the supporting lines in proportion to the main one."""
        jumps = np.linalg.norm(
            (self.transcript.pieces[edges.right] - self.transcript.pieces[edges.left])[:, :-1], axis=1
        )
        cuts: list[tuple[int, float]] = []
        for line in range(1, len(self.lines.origins)):
            missing = int(DECODING.support_share * len(self.lines.nodes(0))) - len(self.lines.nodes(line))
            own = np.flatnonzero(edges.line[: edges.on_line] == line)
            for edge in own[np.argsort(-jumps[own], kind="stable")][: max(missing, 0)]:
                cuts.append((line, float(edges.low[edge] + edges.high[edge]) / 2))
        return cuts
