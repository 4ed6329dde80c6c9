"""One unit of the next layer followed along its bent hyperplane: what one kink leaves open several tell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.layers import Prefix, flat
from divulge.reconstruction.convolutional.patches import box_of, patch_of
from divulge.reconstruction.convolutional.walk import Kink, Walk, off_span
from divulge.reconstruction.settings import CONV_FOLLOWED


class Follower:
    """Looks for further kinks of the unit that one kink is of.

    Known units switch on the way from one kink to the next, a few at a time: the jumps then differ by their
    gradients alone, which no other unit's jump does.

    Args:
        walk: whom to ask.
        depth: layers before that of the unit.
        kink: the first one.

    Attributes:
        bonus: kinks of other units that were met.
    """

    def __init__(self, walk: Walk, depth: int, kink: Kink) -> None:
        self.walk = walk
        self.prefix = Prefix(walk.known.shape, walk.known.layers[:depth])
        self.kink = kink
        self.bonus: list[Kink] = []
        self.inside = np.zeros(self.prefix.size, bool)
        patch_of(self.inside, box_of(kink, self.prefix.shape), self.prefix.shape)[...] = True
        self.states = self.prefix.states(kink.point[None])[0]
        self.changed = np.zeros(len(self.states), bool)

    def kinks(self) -> Iterator[Kink]:
        """The first kink, then further ones, each some way from the last; ends where the unit is lost.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        yield self.kink
        for _ in range(CONV_FOLLOWED.most):
            found = self._next()
            if found is None:
                return
            self.kink = found
            self.changed |= self.prefix.states(found.point[None])[0] != self.states
            yield found

    def _next(self) -> Kink | None:
        share = CONV_FOLLOWED.share
        for again in range(CONV_FOLLOWED.tries):
            end = self._end(int(max(share * self.inside.sum(), 1)), again > 0)
            found = None if end is None else self._across(end)
            if found is not None:
                return found
            share *= CONV_FOLLOWED.shorter
        return None

    def _end(self, most: int, other: bool) -> Array | None:
        """The nearest point (d,) on the kink's hyperplane where some units have switched that never had.

        Args:
            most: how many, of those that see the unit's window alone.
            other: whether the nearest ones were tried.
        """
        point = self.kink.point
        units, rows = self._own(point, np.flatnonzero(~self.changed))
        if not len(units):
            units, rows = self._own(point, np.flatnonzero(self.changed))
        if not len(units):
            return None
        with torch.no_grad():
            levels = flat(self.prefix.before(self.prefix.images(point[None])))[0].numpy()[units]
        sizes = np.linalg.norm(rows, axis=1)
        near = np.argsort(np.abs(levels) / sizes)[: 2 * most if other else most]
        near = self.walk.lines.rng.permutation(near)[:most]
        normal = self.kink.jump / np.linalg.norm(self.kink.jump)
        system = np.concatenate([normal[None], rows[near] / sizes[near, None]])
        wanted = np.append(0.0, -CONV_FOLLOWED.beyond * levels[near] / sizes[near])
        end = point + np.linalg.lstsq(system, wanted, rcond=CONV_FOLLOWED.rank)[0]
        domain = self.walk.lines.domain
        if domain is not None and np.any((end < domain[0]) | (end > domain[1])):
            return None
        return np.asarray(end)

    def _own(self, point: Array, units: Index) -> tuple[Index, Array]:
        """Those of some units that see nothing outside the window, and their gradients."""
        rows = self.prefix.gradients(point, units)
        own = rows.any(axis=1) & ~rows[:, ~self.inside].any(axis=1)
        return units[own], rows[own]

    def _across(self, end: Array) -> Kink | None:
        """Ask across where the hyperplane would be if it were not bent, wider each time."""
        normal = self.kink.jump / np.linalg.norm(self.kink.jump)
        wide = CONV_FOLLOWED.across * float(np.linalg.norm(end - self.kink.point))
        lower, upper = self.walk.ask(np.stack([end - wide * normal, end + wide * normal]))
        parts = [(lower, upper)]
        for last in range(CONV_FOLLOWED.wider):
            for before, after in parts:
                for found in self.walk.isolated(before, after):
                    if self.same(found):
                        return found
                    self.bonus.append(found)
            if last + 1 == CONV_FOLLOWED.wider:
                break
            wide *= CONV_FOLLOWED.growth
            low, high = self.walk.ask(np.stack([end - wide * normal, end + wide * normal]))
            parts, lower, upper = [(low, lower), (upper, high)], low, high
        return None

    def same(self, other: Kink) -> bool:
        """Whether a kink is of the unit: it differs from the last one by known units that switched."""
        size = float(np.linalg.norm(other.jump))
        tolerance = self.walk.tolerances.missing * size
        if np.abs(other.jump[~self.inside]).max(initial=0.0) > tolerance:
            return False
        states = self.prefix.states(np.stack([self.kink.point, other.point]))
        units, rows = self._own(self.kink.point, np.flatnonzero(states[0] != states[1]))
        if len(self.prefix.layers) > 1:
            rows = np.concatenate([rows, self.prefix.gradients(other.point, units)])
        if len(rows) + 1 + CONV_FOLLOWED.margin > self.inside.sum():
            return False
        if np.linalg.norm(off_span(rows, other.jump)) <= CONV_FOLLOWED.apart * size:
            return False
        rows = np.concatenate([rows, self.kink.jump[None]])
        return bool(np.linalg.norm(off_span(rows, other.jump)) <= tolerance)
