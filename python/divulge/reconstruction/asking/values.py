"""One output of an oracle as a plain function, and how exact its values are."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.errors import NotPiecewiseLinear
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.settings import TINY, VALUES, Tolerances


class Values:
    """Values of one output, and a bound of their rounding that `measure` calibrates.

    The rounding error of f(x) is taken as relative * (|f(x)| + slope |x|): values may cancel inside the
    network, so that |f| alone says too little.

    Attributes:
        relative: relative rounding error of a value.
        slope: root mean square of the slope of f along a random unit direction.
    """

    def __init__(self, asked: AskedOutput) -> None:
        self.asked = asked
        self.domain = asked.domain
        self.precision = asked.rounding
        self.relative = self.precision
        self.slope = 0.0
        self._keeps = False
        self._kept: list[tuple[Array, Array]] = []
        self._room = VALUES.most_kept // asked.input_size

    def representable(self, points: Array) -> Array:
        """Return the points as the victim's own precision holds them."""
        return self.asked.representable(points)

    def keep_from_now_on(self) -> None:
        """Keep points and their values from now on, for a last fit."""
        self._keeps = True

    def ask(self, points: Array, *, keep: bool = True) -> Array:
        """Return the values (n,) at points (n, d), and keep them where values are kept.

        Raises:
            Stopped: the budget does not cover them, and none was asked, or the oracle fails.
        """
        points = self.representable(points)
        values, _ = self.asked.query(points)
        assert values is not None
        if keep and self._keeps and len(points) <= self._room:
            self._kept.append((points.copy(), values.copy()))
            self._room -= len(points)
        return values

    def kept(self) -> tuple[Array, Array]:
        """Return points, shape (n, d), and their values, shape (n,), kept so far."""
        if not self._kept:
            return np.empty((0, self.asked.input_size)), np.empty(0)
        points, values = zip(*self._kept, strict=True)
        self._kept = [(np.concatenate(points), np.concatenate(values))]
        return self._kept[0]

    @property
    def tolerances(self) -> Tolerances:
        """What the rounding of a value leaves open."""
        return Tolerances.of(self.relative)

    def noise(self, lengths: Array, values: Array) -> Array:
        """Bound of the rounding error of values (n,) at points of these lengths (n,)."""
        return np.asarray(self.relative * (np.abs(values) + self.slope * lengths) + TINY)

    def misses(self, points: Array, predicted: Array) -> Array:
        """Ask how far predicted pieces (n, d + 1) are from the values at points (n, d), shape (n,).

        Relative to what is usual that far from the origin.
        """
        points = self.representable(points)
        expected = np.einsum("nd,nd->n", predicted[:, :-1], points) + predicted[:, -1]
        found = self.ask(points)
        usual = np.abs(found) + self.slope * np.linalg.norm(points, axis=1)
        return np.asarray(np.abs(found - expected) / np.maximum(usual, TINY))

    def measure(self, points: Array, rng: np.random.Generator) -> None:
        """Measure rounding and slope by second differences over tiny steps around points (n, d).

        Raises:
            NotPiecewiseLinear: the function is curved at most of these points.
        """
        if self.domain is not None:
            centre = sum(self.domain) / 2
            points = centre + VALUES.inner * (points - centre)
        points = self.representable(points)
        directions = rng.standard_normal(points.shape)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lengths = np.linalg.norm(points, axis=1)
        share = VALUES.single_step if self.tolerances.single else VALUES.step
        steps = share * np.maximum(lengths, VALUES.near * lengths.max(initial=1.0))
        moves = steps[:, None] * directions
        inside = self.inside(points, moves)
        asked = np.concatenate([points - inside, points, points + inside])
        before, middle, after = self.ask(asked).reshape(3, -1)
        steps = np.linalg.norm(inside, axis=1)
        self.slope = float(np.sqrt(np.mean(((after - before) / (2 * steps)) ** 2)))
        bend = np.abs(after - 2 * middle + before) / 4
        scale = np.abs(middle) + self.slope * lengths
        typical = float(np.median(bend / np.maximum(scale, TINY)))
        if typical > VALUES.curved * self.precision:
            raise NotPiecewiseLinear(
                f"values bend by {typical:.2g} of their size over steps of only {np.median(steps):.2g}: not "
                "a ReLU network's, or smoothed, or noisy, or rounded as in half precision"
            )
        self.relative = max(VALUES.margin * typical, self.precision)
        if self.tolerances.single:
            self.refuse_wide_bends(points, directions, lengths)
        least = VALUES.flat * self.relative * float(np.median(np.abs(middle)) / np.median(lengths))
        self.slope = max(self.slope, least, VALUES.least_slope)

    def refuse_wide_bends(self, points: Array, directions: Array, lengths: Array) -> None:
        """Tell smooth functions whose bends over tiny steps are lost in single precision, by wide steps.

        Over twice the step a smooth function bends four times as much; one kink bends twice as much, or not
        at all, and many kinks on average 2^1.5 times.

        Raises:
            NotPiecewiseLinear: the function bends so at most of these points.
        """
        wide = self.inside(points, VALUES.wide * lengths[:, None] * directions)
        asked = np.concatenate([points + share * wide for share in (-1.0, -0.5, 0.0, 0.5, 1.0)])
        far_before, before, middle, after, far_after = self.ask(asked).reshape(5, -1)
        far, near = far_after - 2 * middle + far_before, after - 2 * middle + before
        told = np.abs(near) > VALUES.told * self.relative * (np.abs(middle) + self.slope * lengths)
        smooth = told & (np.abs(far - 4 * near) <= VALUES.fourfold * np.abs(far))
        if smooth.mean() > VALUES.mostly:
            raise NotPiecewiseLinear(
                f"over twice the step values bend four times as much at {int(smooth.sum())} of {len(points)} "
                "inputs: not a ReLU network's, or smoothed"
            )

    def inside(self, points: Array, moves: Array) -> Array:
        """Return the moves (n, d) that stay in the domain both ways, coordinates clipped."""
        if self.domain is None:
            return moves
        low, high = self.domain
        room = np.minimum(points - low, high - points)
        return np.clip(moves, -room, room)
