"""The lines an attack walks along, and the edges between neighbouring queries on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Index
from divulge.reconstruction.network.record import homogeneous
from divulge.reconstruction.settings import LINE, TINY


@dataclass
class Edges:
    """Pairs of answers between which the gradient may jump, shape (m,) each.

    Attributes:
        left, right: rows of the two answers.
        line: the line they lie on.
        low, high: s at the two ends.
        on_line: how many are edges of lines; those to a point beside the line follow them.
    """

    left: Index
    right: Index
    line: Index
    low: Array
    high: Array
    on_line: int

    def __len__(self) -> int:
        return len(self.left)


class Lines:
    """Lines x = u + t v with the queries asked on them, and single queries asked beside them.

    In all of R^d a line is walked in s = arctan t, because kinks of random hyperplanes on a random line are
    spread evenly in that angle; in a box it is the segment between two points of the box, s = t in [0, 1].
    """

    def __init__(
        self,
        input_size: int,
        domain: tuple[Array, Array] | None,
        rng: np.random.Generator,
        reach: float = LINE.reach,
    ) -> None:
        self.domain = domain
        self.rng = rng
        self.reach = reach
        self.origins = np.empty((0, input_size + 1))
        self.directions = np.empty((0, input_size + 1))
        self.row = np.empty(0, np.intp)  # which answer each node is
        self.line = np.empty(0, np.intp)
        self.s = np.empty(0)
        self.beside: dict[
            int, tuple[int, int, int, float, float]
        ] = {}  # row: left row, right row, line, low, high
        self.order: list[Index] = []

    def anew(self) -> Lines:
        """Return lines of the same domain and random numbers, none yet, walked as far."""
        return Lines(self.input_size, self.domain, self.rng, self.reach)

    def shortened(self, reach: float) -> Lines:
        """Return lines of the same domain and random numbers, none yet, walked for t in [-reach, reach]."""
        return Lines(self.input_size, self.domain, self.rng, reach)

    @property
    def input_size(self) -> int:
        """Return d."""
        return self.origins.shape[1] - 1

    def span(self) -> tuple[float, float]:
        """Return the range of s."""
        low, high = self.ends()
        return (low, high) if self.domain else (float(np.arctan(low)), float(np.arctan(high)))

    def ends(self) -> tuple[float, float]:
        """Return the range of t."""
        return (0.0, 1.0) if self.domain else (-self.reach, self.reach)

    def saturated(self, points: Array) -> NDArray[np.bool_]:
        """Whether points (n, d) lie so far out that answers may saturate there, shape (n,)."""
        return np.asarray(np.linalg.norm(points, axis=1) > self._limit())

    def unsaturated(self, points: Array) -> Array:
        """Move points (n, d) towards the origin where answers may saturate."""
        size = np.linalg.norm(points, axis=1, keepdims=True)
        return np.asarray(points * np.minimum(1.0, self._limit() / np.maximum(size, TINY)))

    def _limit(self) -> float:
        """Norm of the farthest points, of which a standard normal one has d^(1/2)."""
        return self.reach * float(np.sqrt(self.input_size)) if self.saturate else np.inf

    @property
    def saturate(self) -> bool:
        """Whether answers saturate far out: lines are walked less far then."""
        return self.domain is None and self.reach < LINE.reach

    def samples(self, n: int) -> Array:
        """Return random points (n, d) of the domain: standard normal in R^d, uneven and uniform in a box."""
        if self.domain is None:
            return self.rng.standard_normal((n, self.input_size))
        low, high = self.domain
        share, inside = self._shares(n)
        corner = (inside < share).astype(float)
        return low + (high - low) * np.where(np.arange(n)[:, None] % 2, inside, corner)

    def inside(self, n: int) -> Array:
        """Return random points (n, d), none at an edge: standard normal in R^d, uniform in a box."""
        if self.domain is None:
            return self.rng.standard_normal((n, self.input_size))
        low, high = self.domain
        return np.asarray(low + (high - low) * self._shares(n)[1])

    def _shares(self, n: int) -> tuple[Array, Array]:
        """Draw numbers in [0, 1]: how uneven points of a box are, (n, 1), and where they lie, (n, d)."""
        return self.rng.uniform(size=(n, 1)), self.rng.uniform(size=(n, self.input_size))

    def add_line(self) -> int:
        """Draw one more line and return its number."""
        start, end = self.samples(2)
        direction = end if self.domain is None else end - start
        self.origins = np.concatenate([self.origins, homogeneous(start[None])])
        self.directions = np.concatenate([self.directions, np.append(direction, 0.0)[None]])
        return len(self.origins) - 1

    def join(self, start: Array, end: Array) -> tuple[int, Array]:
        """Add the line through two points (d + 1,) and return its number and s at both."""
        self.origins = np.concatenate([self.origins, start[None]])
        self.directions = np.concatenate([self.directions, (end - start)[None]])
        return len(self.origins) - 1, self.to_s(np.array([0.0, 1.0]))

    def to_t(self, s: Array) -> Array:
        """Return t for s."""
        return s if self.domain else np.tan(s)

    def to_s(self, t: Array) -> Array:
        """Return s for t."""
        return t if self.domain else np.arctan(t)

    def points(self, line: Index, s: Array) -> Array:
        """Return the points (n, d) at s on the named lines."""
        return (self.origins[line] + self.to_t(s)[:, None] * self.directions[line])[:, :-1]

    def holds(self, point: Array) -> bool:
        """Whether a point (d,) beside the lines may be asked about."""
        return self.domain is None

    def on_hyperplanes(self, points: Array, normals: Array, places: int) -> Array:
        """Return other places of hyperplanes through points (n, d), in all of R^d: shape (places, n, d)."""
        found = self.samples(places * len(points)).reshape(places, *points.shape)
        levels = np.einsum("pnd,nd->pn", found - points, normals)
        return np.asarray(found - (levels / np.einsum("nd,nd->n", normals, normals))[:, :, None] * normals)

    def record(self, rows: Index, line: Index, s: Array) -> None:
        """Note that these answers lie on these lines."""
        self.row = np.concatenate([self.row, rows])
        self.line = np.concatenate([self.line, line])
        self.s = np.concatenate([self.s, s])
        self.order = []

    def nodes(self, line: int) -> Index:
        """Return the node numbers on a line, sorted along it."""
        if not self.order:
            for number in range(len(self.origins)):
                own = np.flatnonzero(self.line == number)
                self.order.append(own[np.argsort(self.s[own], kind="stable")])
        return self.order[line]

    def edges(self) -> Edges:
        """Return the edges between neighbours, line by line, then those to the points beside a line."""
        runs = [self.nodes(number) for number in range(len(self.origins))]
        left, right = (np.concatenate([run[part] for run in runs]) for part in (slice(-1), slice(1, None)))
        beside = [
            half
            for middle, (a, b, line, low, high) in self.beside.items()
            for half in ((a, middle, line, low, high), (middle, b, line, low, high))
        ]
        extra = np.array(beside, dtype=float).reshape(-1, 5)
        return Edges(
            np.concatenate([self.row[left], extra[:, 0].astype(np.intp)]),
            np.concatenate([self.row[right], extra[:, 1].astype(np.intp)]),
            np.concatenate([self.line[left], extra[:, 2].astype(np.intp)]),
            np.concatenate([self.s[left], extra[:, 3]]),
            np.concatenate([self.s[right], extra[:, 4]]),
            len(left),
        )

    def crossings(self, planes: Array) -> tuple[Array, Index, Array]:
        """Where hyperplanes plane . (x, 1) = 0 cross every line.

        Args:
            planes: shape (c, d + 1).

        Returns:
            s of the crossing, shape (c, lines); the edge it falls on (-1: none), shape (c, lines); and the
            growth of plane . (x, 1) along the line, shape (c, lines).
        """
        level, growth = planes @ self.origins.T, planes @ self.directions.T
        with np.errstate(divide="ignore", invalid="ignore"):
            s = self.to_s(-level / growth)
        edge = np.full(s.shape, -1, np.intp)
        first = 0
        for line in range(len(self.origins)):
            nodes = self.s[self.nodes(line)]
            place = np.searchsorted(nodes, s[:, line])
            inside = (place > 0) & (place < len(nodes))
            edge[inside, line] = first + place[inside] - 1
            first += max(len(nodes) - 1, 0)
        return s, edge, growth
