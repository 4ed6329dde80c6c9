"""The victim behind a first layer of independent rows, asked about features in place of inputs.

Where the rows of layer one are independent x = W^+ (p - b) has any pre-activations p that one likes. Where
all of them are positive they are the features, no unit of that layer switches, and what follows is a function
of p alone, with the gradient g(x) W^+: one hidden layer fewer than the victim, every row whole.

A unit that is hardly ever on has negative weights from most features. It is on where few others dominate, so
points are drawn log-normal, widely: at them most units are on about as often as off.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.probability_reach import farthest
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.settings import POSITIVE, TINY


class FeatureOutput(AskedOutput):
    """One output as a function of positive features; what is asked is asked of a probe, which keeps it.

    Args:
        probe: what asks about inputs.
        free: the first layer.
    """

    def __init__(self, probe: Probe, free: FreeLayer) -> None:
        self.probe = probe
        self.free = free
        self.input_size = len(free.layer)
        self.domain = None
        self.single = probe.rounded
        self.rounding = probe.noise
        self.tells_values = self.tells_gradients = True
        self.all_at_once = False

    def representable(self, points: Array) -> Array:
        """Return the points as they are."""
        return points

    def affordable(self, count: int) -> int:
        """Return the count: the probe says when a budget ends."""
        return count

    def native(self) -> None:
        """Return None: the compiled core knows no features."""

    def query(self, points: Array) -> tuple[Array, Array]:
        """Return values (n,) and gradients (n, h) at features (n, h).

        Raises:
            Stopped: the oracle can be asked no further.
        """
        inputs = self.free.points(points)
        pieces = self.probe.pieces(inputs)
        values = np.einsum("nd,nd->n", pieces[:, :-1], inputs) + pieces[:, -1]
        return values, pieces[:, :-1] @ self.free.inverse


class PositiveLines(Lines):
    """Segments between points with positive coordinates, most of them small beside a few.

    Args:
        free: the first layer.
        rng: draws them.
        rounded: whether answers are of single precision.
        farthest: distance of inputs from the origin at which answers may saturate.
    """

    def __init__(
        self, free: FreeLayer, rng: np.random.Generator, rounded: bool = False, farthest: float = np.inf
    ) -> None:
        super().__init__(len(free.layer), None, rng)
        self.free = free
        self.farthest = farthest
        self.rounded = rounded
        self.sigma = POSITIVE.single_sigma if rounded else POSITIVE.sigma
        self.least = POSITIVE.single_least if rounded else POSITIVE.least

    def anew(self) -> PositiveLines:
        """Return lines among the same features, none yet."""
        return PositiveLines(self.free, self.rng, self.rounded, self.farthest)

    def ends(self) -> tuple[float, float]:
        """Return the range of t."""
        return 0.0, 1.0

    def span(self) -> tuple[float, float]:
        """Return the range of s."""
        return -POSITIVE.reach, POSITIVE.reach

    def to_t(self, s: Array) -> Array:
        """Return t = 1 / (1 + e^-s): units switch where the ends' shares have all kinds of ratios."""
        return np.asarray(1 / (1 + np.exp(-s)))

    def to_s(self, t: Array) -> Array:
        """Return s, that of the ends finite; NaN beyond them."""
        with np.errstate(divide="ignore", invalid="ignore"):
            s = np.log(t) - np.log1p(-t)
        return np.where(np.isinf(s) & ((t == 0) | (t == 1)), np.clip(s, *self.span()), s)

    def samples(self, n: int) -> Array:
        """Return features (n, h): log-normal, the largest of each point some usual sizes."""
        logs = self.sigma * self.rng.standard_normal((n, self.input_size))
        logs = np.maximum(logs - logs.max(axis=1, keepdims=True), np.log(self.least))
        least, most = POSITIVE.largest
        largest = self.rng.uniform(np.log(least), np.log(most), (n, 1))
        return self.near_enough(np.exp(logs + largest) * self.free.spread)

    def axes(self) -> Array:
        """Return features (h + 1, h): one alone large, each in turn, and none.

        A unit with any positive weight is on at one of them, a unit with any negative one off: what is on at
        some features and off at others is so here.
        """
        size = self.input_size
        small = self.least * self.rng.uniform(1.0, 2.0, (size + 1, size))
        ends = POSITIVE.alone * (small + np.eye(size + 1, size))
        return self.near_enough(ends * self.free.spread)

    def near_enough(self, features: Array) -> Array:
        """Make features (n, h) smaller where answers may saturate at their inputs."""
        size = np.linalg.norm(self.free.points(features), axis=1, keepdims=True)
        return np.asarray(features * np.minimum(1.0, self.farthest / np.maximum(size, TINY)))

    def inside(self, n: int) -> Array:
        """Return features (n, h)."""
        return self.samples(n)

    def add_line(self) -> int:
        """Draw one more segment and return its number."""
        start, end = np.column_stack([self.samples(2), np.ones(2)])
        return self.join(start, end)[0]

    def holds(self, point: Array) -> bool:
        """Whether all features are positive at a point (h,)."""
        return bool((point > 0).all())

    def on_hyperplanes(self, points: Array, normals: Array, places: int) -> Array:
        """Return other places of hyperplanes through points (n, h), shape (places, n, h)."""
        offsets = -np.einsum("nd,nd->n", points, normals)
        which = np.tile(np.arange(len(points)), places)
        levels = self.free.hyperplane_levels(
            normals[which], offsets[which], np.ones((len(which), self.input_size), bool), self.rng
        )
        levels = np.where(np.isfinite(levels).all(axis=1, keepdims=True), levels, points[which])
        return levels.reshape(places, *points.shape)


def lines_among(free: FreeLayer, probe: Probe, lines: Lines) -> PositiveLines:
    """Return lines among the features of a first layer, nearer than answers saturate where they do.

    Args:
        free: the first layer.
        probe: what asks, the answers so far.
        lines: of the inputs; its random numbers are used.
    """
    return PositiveLines(free, lines.rng, probe.rounded, farthest(probe, lines))
