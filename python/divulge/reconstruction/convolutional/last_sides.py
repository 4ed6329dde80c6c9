"""Active sides of the last hidden layer's channels, from least squares over the answers had so far."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.equations import Equations, enough
from divulge.reconstruction.convolutional.layers import ConvLayer, Pool
from divulge.reconstruction.convolutional.linearised import Moving, activated, convolved, joined, moving
from divulge.reconstruction.convolutional.pooled_sides import PooledSides
from divulge.reconstruction.convolutional.shares import Shares, shares_of, sides_of
from divulge.reconstruction.convolutional.side_answers import Chosen, SideAnswers, corners
from divulge.reconstruction.convolutional.walk import Walk
from divulge.reconstruction.settings import CONV_LAST, TINY


class LastSides:
    """The search for the sides of the last known layer, if there is none behind it.

    Attributes:
        remainder: a linear function of the features before the last layer, shape (features,), that none of
            its units makes: that of a channel which was on wherever the walk went. None where there is none.
        answers: that they are read from.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.prefix = walk.known
        self.remainder: Array | None = None
        self.answers = SideAnswers(walk)

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
        return PooledSides(self.answers).turn(layer) if pool else self._turn_plain(layer)

    def _turn_plain(self, layer: ConvLayer) -> float:
        """Turn a layer without pooling: f = sum_u w_u relu(z_u) + beta . h, h the features it is given.

        That is linear in w and beta. A channel turned over, w relu(-z) = w relu(z) - w z, leaves -w z in
        beta, a leaky one a share of it: beta = sum_c kappa_c sum_(u in c) w_u z_u tells every kappa.
        Gradients at the pixels of a corner have to do with the few units that see it alone.
        """
        if layer.ended.all():  # either way round they are the same: the weights will tell
            self.prefix.layers[-1] = replace(layer, signs=layer.nearer)
            return 0.0
        found = self._read(layer, self.answers.near)
        if found.residual > self.walk.tolerances.missing:
            return found.residual
        left = self._turned_by(layer, found)
        if not found.told.all() or left > self.walk.tolerances.missing:
            left = self._turned_by(layer, self._read(layer, self.answers.far))
        if left > self.walk.tolerances.missing:
            left = self._turned_by(layer, self._supposed(layer, found))
        return left

    def _turned_by(self, layer: ConvLayer, found: Shares) -> float:
        """Turn a layer by kappa of every channel; return how far these are from those of any sides."""
        if not found.told.all():
            return 1.0
        signs, slope, off = sides_of(found.shares)
        self.prefix.layers[-1] = replace(layer, signs=signs, slope=slope)
        return max(found.left, off)

    def _read(self, layer: ConvLayer, rows: Chosen) -> Shares:
        """Kappa of the channels from one corner after another, until every one is told.

        A corner where something is left of beta tells none: units of a channel were on, or off, all the time
        there and pass for a share of others.

        Args:
            layer: the last one.
            rows: the answers that are taken for some pixels.
        """
        missing = self.walk.tolerances.missing
        shares, told, left = np.zeros(len(layer)), np.zeros(len(layer), bool), np.inf
        for pixels in corners(self.prefix):
            found = self._shares_seen_from(pixels, layer, rows)
            if found.residual > missing:
                return replace(found, told=np.zeros_like(told))
            left = min(left, found.left)
            fresh = found.told & ~told & (found.left <= missing)
            shares[fresh], told = found.shares[fresh], told | fresh
            if told.all():
                break
        return Shares(shares, told, left, found.residual, found.remainder)

    def _supposed(self, layer: ConvLayer, found: Shares) -> Shares:
        """Take channels that never switched on the walk for off there; answers that are fresh will tell."""
        on = self.answers.on(np.array(self.walk.rows, np.intp)).reshape(len(self.walk.rows), len(layer), -1)
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
        rows = (
            self.answers.in_all(enough(self.prefix, before + units))
            if pixels is None
            else rows_for(pixels, layer)
        )
        for more in range(CONV_LAST.rounds if pixels is None else 1):
            if more:
                rows = np.concatenate([rows, self.answers.fresh(CONV_LAST.more)])
            solved = self.answers.solved(equations, rows)
            found = shares_of(self.prefix, layer, solved, self.answers.on(rows))
            if found.residual <= missing < found.left:
                self.remainder = found.remainder
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
