"""Active sides of the last hidden layer's channels, from least squares over the answers had so far."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.equations import Equations, Solution, layer_matrix
from divulge.reconstruction.convolutional.inputs import grainy
from divulge.reconstruction.convolutional.layers import ConvLayer, Pool
from divulge.reconstruction.convolutional.linearised import Moving, activated, convolved, joined, moving
from divulge.reconstruction.convolutional.walk import Walk
from divulge.reconstruction.settings import CONV_LAST, TINY


class LastSides:
    """The search for the sides of the last known layer, if there is none behind it.

    Attributes:
        remainder: a linear function of the features before the last layer, shape (features,), that none of
            its units makes: that of a channel which was on wherever the walk went. None where there is none.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.prefix = walk.known
        self.remainder: Array | None = None

    @property
    def layer(self) -> ConvLayer:
        """The last known layer."""
        return self.prefix.layers[-1]

    def turn(self, pool: Pool | None) -> float:
        """Find the sides of the last layer's channels, pooled so; return what is left of the answers.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        layer = replace(self.layer, pool=pool, signs=None)
        self.remainder = None
        return self._turn_pooled(layer) if pool else self._turn_plain(layer)

    def _turn_plain(self, layer: ConvLayer) -> float:
        """Turn a layer without pooling: f = sum_u w_u relu(z_u) + beta . h, h the features it is given.

        That is linear in w and beta. A channel turned over, w relu(-z) = w relu(z) - w z, leaves -w z in
        beta, a leaky one a share of it: beta = sum_c kappa_c sum_(u in c) w_u z_u tells every kappa.
        """
        depth = len(self.prefix.layers) - 1

        def features(point: Array) -> Moving:
            h = moving(self.prefix, point, depth)
            return joined([h, activated(layer, convolved(layer, h))])

        before, units = int(np.prod(self.prefix.map_shape(depth))), self.prefix.sizes()[-1]
        equations = Equations(self.prefix, features)
        rows = self._rows(self._count(before + units))
        for more in range(CONV_LAST.rounds):
            found = self._solve(equations, rows)
            shares, left = self._shares(layer, found, self._on(rows))
            if max(found.residual, left) <= self.walk.tolerances.missing or more == CONV_LAST.rounds - 1:
                break
            if found.residual > self.walk.tolerances.missing:
                return found.residual
            rows = np.concatenate([rows, self._fresh(CONV_LAST.more)])
        slope = slope_of(shares)
        signs = np.where(shares > -0.5, 1.0, -1.0)
        expected = np.where(signs > 0, slope / (1 - slope), -1 / (1 - slope))
        self.prefix.layers[-1] = replace(layer, signs=signs, slope=slope)
        return max(found.residual, left, float(np.abs(shares - expected).max()))

    def uphill(self, point: Array) -> Array:
        """The direction (d,) in which the remainder grows most at a point (d,); 0 where there is none."""
        if self.remainder is None:
            return np.zeros(self.prefix.size)
        x = self.prefix.images(point[None]).requires_grad_()
        with torch.enable_grad():
            h = self.prefix.features(x, len(self.prefix.layers) - 1).flatten(1)
            (slope,) = torch.autograd.grad((h @ torch.from_numpy(self.remainder)).sum(), x)
        found = slope.reshape(-1).numpy()
        return np.asarray(found / max(float(np.linalg.norm(found)), TINY))

    def downhill(self, point: Array) -> Array:
        """The direction (d,) in which the remainder falls most."""
        return -self.uphill(point)

    def _shares(self, layer: ConvLayer, found: Solution, on: NDArray[np.bool_]) -> tuple[Array, float]:
        """Return kappa of every channel, and what is left of beta; units that never switch are free in it.

        Args:
            layer: the last one.
            found: w and beta.
            on: which units are on at the answers, shape (n, units).
        """
        shape = self.prefix.map_shape(len(self.prefix.layers) - 1)
        before = int(np.prod(shape))
        constant = on.all(axis=0) | ~on.any(axis=0)
        slopes = layer_matrix(layer, shape)  # (units, features + 1): z of each unit
        beta, weights = found.weights[:before, 0], found.weights[before:-1, 0]
        moved = (np.where(constant, 0.0, weights)[:, None] * slopes).reshape(len(layer), -1, slopes.shape[1])
        columns = np.concatenate([moved.sum(axis=1), slopes[constant]]).T[:-1]
        wanted = beta + weights[constant] @ slopes[constant, :-1]
        seen = found.seen[:before]
        columns, wanted = columns[seen], wanted[seen]
        sizes = np.maximum(np.linalg.norm(columns, axis=0), TINY)
        shares, _, rank, _ = np.linalg.lstsq(columns / sizes, wanted, rcond=CONV_LAST.null)
        rest = wanted - columns / sizes @ shares
        left = np.linalg.norm(rest) / max(float(sizes.max()), TINY)
        if found.residual <= self.walk.tolerances.missing < left:
            self.remainder = np.zeros(len(seen))
            self.remainder[seen] = rest
        wide = columns.shape[1] > columns.shape[0]
        _, _, basis = np.linalg.svd(columns / sizes, full_matrices=wide)
        idle = basis[rank:]
        if np.abs(idle[:, : len(layer)]).max(initial=0.0) > CONV_LAST.leak:
            return np.zeros(len(layer)), 1.0
        return shares[: len(layer)] / sizes[: len(layer)], float(left)

    def _count(self, unknowns: int) -> int:
        """How many answers have equations enough."""
        return int(CONV_LAST.equations * unknowns / (self.prefix.size + 1)) + 2

    def _on(self, rows: Index) -> NDArray[np.bool_]:
        """Which units are above 0 at answers, shape (n, units)."""
        with torch.no_grad():
            images = self.prefix.images(self.walk.transcript.points[rows, :-1])
            return np.asarray((self.prefix.before(images)[-1] > 0).flatten(1).numpy())

    def _turn_pooled(self, layer: ConvLayer) -> float:
        """Turn a layer with max pooling: a channel has no weights on the side where it is not active."""
        depth = len(self.prefix.layers) - 1

        def features(point: Array) -> Moving:
            z = convolved(layer, moving(self.prefix, point, depth))
            return joined([activated(layer, z), activated(layer, Moving(-z.maps, -z.slopes))])

        equations = Equations(self.prefix, features)
        rows = self._rows(self._count(2 * self.prefix.sizes()[-1]))
        for _ in range(CONV_LAST.rounds):
            found = self._solve(equations, rows)
            sizes = self._sizes(found)
            if (
                found.residual > self.walk.tolerances.missing
                or self._undecided(sizes) <= self.walk.tolerances.missing
            ):
                break
            rows = np.concatenate([rows, self._fresh(CONV_LAST.more)])
        self.prefix.layers[-1] = replace(layer, signs=np.where(sizes[0] >= sizes[1], 1.0, -1.0))
        return max(found.residual, self._undecided(sizes))

    def _sizes(self, found: Solution) -> Array:
        """Size of the weights of every channel turned one way and the other, shape (2, c)."""
        return np.asarray(np.linalg.norm(found.weights[:-1].reshape(2, len(self.layer), -1), axis=2))

    def _undecided(self, sizes: Array) -> float:
        """How near any channel is to being turned either way: 0 where weights are on one side alone."""
        larger, smaller = sizes.max(axis=0), sizes.min(axis=0)
        seen = larger > self.walk.tolerances.missing * larger.max()
        return float((smaller / np.maximum(larger, TINY)).max()) if seen.all() else 1.0

    def _rows(self, count: int) -> Index:
        """Return rows of so many answers, far from each other in the walk, and of some at which units switch.

        Where there are fewer answers it asks.
        """
        transcript = self.walk.transcript
        missing = count - len(transcript)
        fresh = self._fresh(missing) if missing > 0 else np.empty(0, np.intp)
        spread = np.linspace(0, len(transcript) - 1 - len(fresh), count - len(fresh))
        rows = np.unique(np.concatenate([spread.astype(np.intp), fresh]))
        return self._with_switches(rows)

    def _with_switches(self, rows: Index) -> Index:
        """Add answers until every unit is on at one and off at another that is so at any."""
        on = self._on(np.arange(len(self.walk.transcript)))
        both = np.concatenate([on, ~on], axis=1)
        missing = both.any(axis=0) & ~both[rows].any(axis=0)
        while missing.any() and len(rows) < CONV_LAST.most:
            best = int(both[:, missing].sum(axis=1).argmax())
            rows, missing = np.append(rows, best), missing & ~both[best]
        return rows

    def _fresh(self, count: int) -> Index:
        """Ask about random points of many sizes; return the rows of their answers."""
        return self.walk.transcript.ask(spread(self.walk, count))

    def _solve(self, equations: Equations, rows: Index) -> Solution:
        transcript = self.walk.transcript
        points, gradients = transcript.points[rows, :-1], transcript.pieces[rows, :-1]
        values = transcript.told(rows)
        return equations.solve(points, gradients[:, :, None], values[:, None])


def slope_of(shares: Array) -> float:
    """Return the slope a of a leaky unit: kappa is a / (1 - a) turned up, -1 / (1 - a) turned down."""
    up, down = shares[shares > -0.5], shares[shares <= -0.5]
    slopes = np.concatenate([up / (1 + up), 1 + 1 / down])
    slope = float(np.median(slopes)) if len(slopes) else 0.0
    return slope if abs(slope) > CONV_LAST.leak else 0.0


def spread(walk: Walk, count: int) -> Array:
    """Random points (n, d) of many sizes, in a box corners too: units switch among them that seldom do."""
    lines = walk.lines
    if lines.domain is not None:
        return np.where(np.arange(count)[:, None] % 2, walk.samples(count), lines.samples(count))
    return grainy(lines, walk.known.shape, count) * 10 ** lines.rng.uniform(*CONV_LAST.powers, (count, 1))
