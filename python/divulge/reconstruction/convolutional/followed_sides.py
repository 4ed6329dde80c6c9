"""Active sides of the last known layer from units of the next that are followed: for windows of any size.

Where a window has more features than a kink has pixels, one kink fits any sides. Kinks of one unit share its
weights. A unit over max(z, 0), max(-z, 0) or leaky ones is sum_q r_q max(z_q, 0) + beta . h + b, h being what
the last known layer is given: its kinks tell r and beta, whatever the sides. With the sides
beta = sum_c kappa_c sum_(q in c) r_q dz_q / dh, which tells kappa: 0 or -1, or those of a slope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from divulge.arrays import Array, Mask
from divulge.reconstruction.convolutional.followed import Follower
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.linearised import Moving, activated, convolved, moving
from divulge.reconstruction.convolutional.shares import sides_of
from divulge.reconstruction.convolutional.sides import (
    Frame,
    Sides,
    both_sides,
    extents_of,
    frames,
    origin_of,
)
from divulge.reconstruction.convolutional.walk import Kink, Walk
from divulge.reconstruction.convolutional.window import (
    Fragment,
    Origin,
    Shown,
    Together,
    fragment,
    refuted,
    shown,
)
from divulge.reconstruction.settings import CONV_FOLLOWED, CONV_ROWS, TINY


class Supposed:
    """What followed units tell under one supposition of what is behind the last known layer.

    Attributes:
        shares: kappa of each channel, NaN where it is not told, shape (c,).
        slopes: of z, pooled, shape (given, c, H', W'), once they were asked for.
    """

    def __init__(self, prefix: Prefix, frame: Frame) -> None:
        self.prefix = prefix
        self.frame = frame
        self.layer: ConvLayer = replace(prefix.layers[-1], pool=frame.pool, signs=None, slope=0.0)
        self.depth = len(prefix.layers)
        self.shares = np.full(len(self.layer), np.nan)
        self.chooses = frame.pool is not None and frame.pool.kind == "max"
        self.slopes: Tensor | None = None

    def origin(self, kink: Kink) -> Origin | None:
        """Where a kink's window begins, None where it shows a part of one."""
        if self.frame.whole:
            return Origin(0, 0)
        return origin_of(self.prefix, self.depth, self.frame, kink)

    def shown(self, kink: Kink, origin: Origin) -> Shown:
        """Features of a window turned up, then what the layer is given; both sides where one is chosen."""
        if self.chooses:
            return shown(both_sides(self.prefix, self.layer, kink.point), kink, origin, self.frame.kernel)
        given = moving(self.prefix, kink.point, self.depth - 1)
        up = shown(activated(self.layer, convolved(self.layer, given)), kink, origin, self.frame.kernel)
        seen = np.any(self.linear(kink, origin) != 0, axis=0)
        rows = np.concatenate([up.rows, np.where(seen[:, None], given.rows(), 0.0)])
        return Shown(rows, np.concatenate([up.values, np.where(seen, given.values(), 0.0)]), kink)

    def linear(self, kink: Kink, origin: Origin) -> Array:
        """How z of a window, pooled, depends on what the layer is given: shape (features, given)."""
        if self.slopes is None:
            shape = self.prefix.map_shape(self.depth - 1)
            size = int(np.prod(shape))
            with torch.no_grad():
                unit = torch.eye(size, dtype=torch.float64).reshape(size, *shape)
                zero = self.layer.before(torch.zeros(1, *shape, dtype=torch.float64))
                self.slopes = self.layer.pooled(self.layer.before(unit) - zero)
        moved = Moving(self.slopes[0], self.slopes)
        return shown(moved, kink, origin, self.frame.kernel).rows

    def turned_up(self, kink: Kink, origin: Origin) -> Array:
        """How features of a window, turned up, depend at a kink on what the layer is given."""
        maps = moving(self.prefix, kink.point, self.depth - 1).maps
        unit = torch.eye(maps.numel(), dtype=torch.float64).reshape(-1, *maps.shape)
        up = activated(self.layer, convolved(self.layer, Moving(maps, unit)))
        return shown(up, kink, origin, self.frame.kernel).rows

    def take(self, kinks: Together, origin: Origin, tolerances: tuple[float, float]) -> bool:
        """Take what kinks of one unit tell of kappa; whether they tell all that they can."""
        rounding, missing = tolerances
        if self.chooses:
            found = fragment(kinks, rounding)
            return found is not None and self._chosen(found, missing)
        first = kinks.views[0]
        count = len(first.rows) - int(np.prod(self.prefix.map_shape(self.depth - 1)))
        still = np.ones(count, bool)
        for view in kinks.views[1:]:
            still &= (view.rows[:count] == first.rows[:count]).all(axis=1)
        found = fragment(kinks.without(np.flatnonzero(still)), rounding)
        if found is None or found.margin < CONV_ROWS.margin:
            return False
        if not found.known[:count][~still].all():
            return False
        linear, up = self.linear(first.kink, origin), self.turned_up(first.kink, origin)
        partly = still & np.any(up != 0, axis=1) & np.any(up != linear, axis=1)
        return self._shares(found, count, linear, np.concatenate([linear[still], up[partly]]), missing)

    def _shares(self, found: Fragment, count: int, linear: Array, free: Array, missing: float) -> bool:
        """Solve beta = sum_c kappa_c sum_(q in c) r_q dz_q / dh + free.

        Args:
            found: r and beta.
            count: features.
            linear: how z of the window depends on what the layer is given, shape (features, given).
            free: the same of features that never changed, and of these turned up where a part of a pooled one
                is on: their r is not told apart from beta.
            missing: what may be left, of the weights.
        """
        seen = np.any(linear != 0, axis=0)
        if not found.known[count:-1][seen].all():
            return False
        moved = found.weights[:count, None] * linear
        columns = np.concatenate([moved.reshape(len(self.layer), -1, moved.shape[1]).sum(axis=1), free])
        columns, wanted = columns.T[seen], found.weights[count:-1][seen]
        sizes = np.linalg.norm(columns, axis=0)
        used = sizes > CONV_FOLLOWED.faint * sizes.max(initial=0.0)
        columns = columns[:, used] / sizes[used]
        if len(wanted) < columns.shape[1] + CONV_ROWS.margin:
            return False
        solved, _, rank, _ = np.linalg.lstsq(columns, wanted, rcond=CONV_FOLLOWED.rank)
        left = np.linalg.norm(columns @ solved - wanted) / max(float(np.linalg.norm(found.weights)), TINY)
        if left > missing:
            return False
        _, _, basis = np.linalg.svd(columns)
        told = np.abs(basis[rank:]).max(axis=0, initial=0.0) <= CONV_ROWS.open
        kappa = np.full(len(sizes), np.nan)
        kappa[np.flatnonzero(used)[told]] = solved[told] / sizes[used][told]
        fresh = ~np.isnan(kappa[: len(self.layer)])
        self.shares[fresh] = kappa[: len(self.layer)][fresh]
        return bool(fresh[used[: len(self.layer)]].all())

    def _chosen(self, found: Fragment, missing: float) -> bool:
        """Of a max pooling's two columns the wrong one weighs nothing."""
        weights = found.weights[:-1].reshape(2, len(self.layer), -1)
        known: Mask = np.all(found.known[:-1].reshape(weights.shape), axis=0)
        sizes = np.sqrt((np.where(known, weights, 0.0) ** 2).sum(axis=2))
        told = sizes.max(axis=0) > CONV_FOLLOWED.faint * sizes.max()
        clear = sizes.min(axis=0) <= missing * sizes.max()
        self.shares[told & clear] = np.where(sizes[0] > sizes[1], 0.0, -1.0)[told & clear]
        return bool(np.any(known, axis=1).all() and clear.all())

    def sides(self, tolerance: float) -> Sides | None:
        """Return the sides, if those of all channels are told and go with one slope."""
        if np.isnan(self.shares).any():
            return None
        signs, slope, off = sides_of(self.shares)
        if off > tolerance:
            return None
        return Sides(replace(self.layer, signs=signs, slope=slope), self.frame, off)


@dataclass
class Open:
    """A supposition that a unit has not refuted so far, its window, and what that shows."""

    supposed: Supposed
    origin: Origin
    kinks: Together


def sides_followed(walk: Walk, kinks: Sequence[Kink]) -> Sides | None:
    """Follow units from kinks until all sides are told; None where they are not.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    for extents in extents_of(walk.known, kinks):
        supposed = [Supposed(walk.known, frame) for frame in frames(walk.known, extents)]
        for kink in list(kinks)[: CONV_FOLLOWED.units]:
            follow(walk, supposed, kink)
            for each in supposed:
                sides = each.sides(walk.tolerances.missing)
                if sides is not None:
                    return sides
    return None


def follow(walk: Walk, supposed: Sequence[Supposed], kink: Kink) -> None:
    """Follow a unit until under a supposition, all others being refuted, its kinks tell of sides."""
    tolerances = walk.tolerances.rounding, walk.tolerances.missing
    origins = [(each, each.origin(kink)) for each in supposed]
    open_ = [Open(each, origin, Together()) for each, origin in origins if origin is not None]
    if not open_:
        return
    for count, next_ in enumerate(Follower(walk, len(walk.known.layers), kink).kinks(), 1):
        for each in open_:
            each.kinks.add(each.supposed.shown(next_, each.origin))
        open_ = [each for each in open_ if not refuted(each.kinks, tolerances[0], CONV_ROWS.margin)]
        if not open_:
            return
        if count % CONV_FOLLOWED.every == 0 and any(
            each.supposed.take(each.kinks, each.origin, tolerances) for each in open_
        ):
            return
    for each in open_:
        each.supposed.take(each.kinks, each.origin, tolerances)
