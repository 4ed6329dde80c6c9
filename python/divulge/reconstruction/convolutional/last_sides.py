"""Active sides of the last hidden layer's channels, from least squares over the answers had so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.equations import Equations, Solution, layer_matrix
from divulge.reconstruction.convolutional.geometry import spreads
from divulge.reconstruction.convolutional.inputs import fine, grainy
from divulge.reconstruction.convolutional.layers import ConvLayer, Pool, Prefix
from divulge.reconstruction.convolutional.linearised import Moving, activated, convolved, joined, moving
from divulge.reconstruction.convolutional.walk import Walk
from divulge.reconstruction.settings import CONV_LAST, TINY


Chosen = Callable[[Index, ConvLayer], Index]


@dataclass(frozen=True)
class Shares:
    """What is told of the sides of channels.

    Attributes:
        shares: kappa of each, shape (c,).
        told: of which it is told, shape (c,).
        left: of beta, when these are taken off.
        residual: of the answers.
    """

    shares: Array
    told: NDArray[np.bool_]
    left: float
    residual: float


class LastSides:
    """The search for the sides of the last known layer, if there is none behind it.

    Attributes:
        remainder: a linear function of the features before the last layer, shape (features,), that none of
            its units makes: that of a channel which was on wherever the walk went. None where there is none.
        near, apart: rows of answers far from each other, in fine noise and anywhere: most of a walk's are near
            to one another.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.prefix = walk.known
        self.remainder: Array | None = None
        self.near = self.apart = np.empty(0, np.intp)

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
        Gradients at the pixels of a corner have to do with the few units that see it alone.
        """
        found = self._read(layer, self._near)
        if found.residual > self.walk.tolerances.missing:
            return found.residual
        left = self._turned_by(layer, found)
        if not found.told.all() or left > self.walk.tolerances.missing:
            left = self._turned_by(layer, self._read(layer, self._far))
        if left > self.walk.tolerances.missing:
            left = self._turned_by(layer, self._supposed(layer, found))
        return left

    def _turned_by(self, layer: ConvLayer, found: Shares) -> float:
        """Turn a layer by kappa of every channel; return how far these are from those of any sides."""
        if not found.told.all():
            return 1.0
        slope = slope_of(found.shares)
        signs = np.where(found.shares > -0.5, 1.0, -1.0)
        expected = np.where(signs > 0, slope / (1 - slope), -1 / (1 - slope))
        self.prefix.layers[-1] = replace(layer, signs=signs, slope=slope)
        return max(found.left, float(np.abs(found.shares - expected).max()))

    def _read(self, layer: ConvLayer, rows: Chosen) -> Shares:
        """Kappa of the channels from one corner after another, until every one is told.

        Args:
            layer: the last one.
            rows: the answers that are taken for some pixels.
        """
        missing = self.walk.tolerances.missing
        shares, told = np.zeros(len(layer)), np.zeros(len(layer), bool)
        for pixels in corners(self.prefix):
            found = self._shares_seen_from(pixels, layer, rows)
            if found.residual > missing:
                return replace(found, told=np.zeros_like(told))
            fresh = found.told & ~told
            shares[fresh], told = found.shares[fresh], told | fresh
            if told.all() and found.left <= missing:
                break
        return Shares(shares, told, found.left, found.residual)

    def _supposed(self, layer: ConvLayer, found: Shares) -> Shares:
        """Take channels that never switched on the walk for off there; answers that are fresh will tell."""
        on = self._on(np.array(self.walk.rows, np.intp)).reshape(len(self.walk.rows), len(layer), -1)
        often = on.mean(axis=(0, 2)) > 0.5
        shares = np.where(found.told, found.shares, np.where(often, -1.0, 0.0))
        seldom = found.told | (np.abs(on.mean(axis=(0, 2)) - 0.5) > 0.5 - CONV_LAST.seldom)
        return replace(found, shares=shares, told=seldom)

    def _shares_seen_from(self, pixels: Index | None, layer: ConvLayer, rows_for: Chosen) -> Shares:
        """Kappa of every channel that gradients at some pixels tell."""
        depth, missing = len(self.prefix.layers) - 1, self.walk.tolerances.missing

        def features(point: Array) -> Moving:
            h = moving(self.prefix, point, depth, pixels)
            return joined([h, activated(layer, convolved(layer, h))])

        before, units = int(np.prod(self.prefix.map_shape(depth))), self.prefix.sizes()[-1]
        equations = Equations(self.prefix, features, pixels)
        rows = self._rows(self._count(before + units)) if pixels is None else rows_for(pixels, layer)
        for more in range(CONV_LAST.rounds if pixels is None else 1):
            if more:
                rows = np.concatenate([rows, self._fresh(CONV_LAST.more)])
            found = self._shares(layer, self._solve(equations, rows), self._on(rows))
            if found.residual > missing or (found.left <= missing and found.told.all()):
                break
        return found

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

    def _shares(self, layer: ConvLayer, found: Solution, on: NDArray[np.bool_]) -> Shares:
        """Return kappa of every channel, and what is left of beta; units that never switch are free in it.

        Args:
            layer: the last one.
            found: w and beta.
            on: which units are on at the answers, shape (n, units).
        """
        shape = self.prefix.map_shape(len(self.prefix.layers) - 1)
        before = int(np.prod(shape))
        seen = found.seen[:before]
        slopes = layer_matrix(layer, shape)  # (units, features + 1): z of each unit
        made_up = found.seen[before:] & ~found.needed[before:-1]
        constant = on.all(axis=0) | ~on.any(axis=0) | made_up
        constant &= np.any(slopes[:, :-1][:, seen] != 0, axis=1)
        beta, weights = found.weights[:before, 0], found.weights[before:-1, 0]
        moved = (np.where(constant, 0.0, weights)[:, None] * slopes).reshape(len(layer), -1, slopes.shape[1])
        columns = np.concatenate([moved.sum(axis=1), slopes[constant]]).T[:-1]
        wanted = beta + weights[constant] @ slopes[constant, :-1]
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
        told = np.abs(idle[:, : len(layer)]).max(axis=0, initial=0.0) <= CONV_LAST.leak
        told &= (sizes[: len(layer)] > CONV_LAST.faint * sizes.max()) & found.needed[:before][seen].all()
        return Shares(shares[: len(layer)] / sizes[: len(layer)], told, float(left), found.residual)

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
        left = 1.0
        for rows, pixels in product((self._near, self._far), corners(self.prefix)):
            left, wrong = self._turn_pooled_from(pixels, layer, rows)
            if left <= self.walk.tolerances.missing or wrong:
                break
        return left

    def _turn_pooled_from(
        self, pixels: Index | None, layer: ConvLayer, rows_for: Chosen
    ) -> tuple[float, bool]:
        """Turn a layer by gradients at some pixels; return what is left, and whether no sides will do."""
        depth, missing = len(self.prefix.layers) - 1, self.walk.tolerances.missing

        def features(point: Array) -> Moving:
            z = convolved(layer, moving(self.prefix, point, depth, pixels))
            return joined([activated(layer, z), activated(layer, Moving(-z.maps, -z.slopes))])

        equations = Equations(self.prefix, features, pixels)
        units = 2 * self.prefix.sizes()[-1]
        rows = self._rows(self._count(units)) if pixels is None else rows_for(pixels, layer)
        rounds = CONV_LAST.rounds if pixels is None else 1
        for more in range(rounds):
            found = self._solve(equations, rows)
            sizes = self._sizes(found)
            if found.residual > missing:
                return found.residual, True
            if self._undecided(sizes) <= missing or more == rounds - 1:
                break
            rows = np.concatenate([rows, self._fresh(CONV_LAST.more)])
        self.prefix.layers[-1] = replace(layer, signs=np.where(sizes[0] >= sizes[1], 1.0, -1.0))
        return max(found.residual, self._undecided(sizes)), False

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
        return self._with_switches(rows, np.arange(self.prefix.sizes()[-1]), CONV_LAST.constant, np.arange(len(transcript)))

    def _near(self, pixels: Index, layer: ConvLayer) -> Index:
        """Return rows of answers of the walk, and to fine noise, where channels that are seldom on are off."""
        if not len(self.near):
            first = len(self.walk.transcript)
            self.walk.ask(fine(self.walk.lines, self.prefix.shape, CONV_LAST.apart))
            self.near = np.arange(first, len(self.walk.transcript))
        walked = np.array(self.walk.rows, np.intp)
        some = walked[np.linspace(0, len(walked) - 1, CONV_LAST.answers).astype(np.intp)]
        rows = np.unique(np.concatenate([some, self.near]))
        return self._with_switches(rows, self._seeing(pixels, layer), 0.0, walked)

    def _far(self, pixels: Index, layer: ConvLayer) -> Index:
        """Return rows of answers at which the units that see some pixels switch."""
        if not len(self.apart):
            self.apart = self._fresh(CONV_LAST.apart)
        everything = np.arange(len(self.walk.transcript))
        walked = everything[np.linspace(0, len(everything) - 1, CONV_LAST.answers).astype(np.intp)]
        rows = np.unique(np.concatenate([walked, self.apart]))
        return self._with_switches(rows, self._seeing(pixels, layer), 0.0, everything)

    def _seeing(self, pixels: Index, layer: ConvLayer) -> Index:
        """Return the units of the last layer that see some pixels."""
        depth = len(self.prefix.layers) - 1
        slopes = convolved(layer, moving(self.prefix, self.walk.samples(1)[0], depth, pixels)).slopes
        return np.flatnonzero((slopes != 0).any(dim=0).flatten().numpy())

    def _with_switches(self, rows: Index, units: Index, share: float, among: Index) -> Index:
        """Add answers until all but a share of units are on at one and off at another that are so at any."""
        on = self._on(np.arange(len(self.walk.transcript)))[:, units]
        both = np.concatenate([on, ~on], axis=1)
        both[np.setdiff1d(np.arange(len(both)), among)] = False
        missing = both.any(axis=0) & ~both[rows].any(axis=0)
        few = share * on.shape[1]
        while missing.sum() > few and len(rows) < CONV_LAST.most:
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
        if equations.pixels is not None:
            gradients = gradients[:, equations.pixels]
        return equations.solve(points, gradients[:, :, None], values[:, None])


def corners(prefix: Prefix) -> list[Index | None]:
    """Return pixels in the corners, that few units of the last layer see, then more; None for all."""
    channels, height, width = prefix.shape
    rows, columns = spreads(prefix, len(prefix.layers))
    place = np.arange(prefix.size).reshape(channels, height, width)
    found: list[Index | None] = []
    for units in CONV_LAST.corners:
        down, across = (max(units * side.stride + side.start, 1) for side in (rows, columns))
        if 2 * down * across <= height * width:
            for turned in (place, place[:, ::-1], place[:, :, ::-1], place[:, ::-1, ::-1]):
                found.append(np.sort(turned[:, :down, :across].ravel()))
    return [*found, None]


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
