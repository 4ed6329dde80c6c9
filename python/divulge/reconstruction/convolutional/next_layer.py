"""The channels of the next layer: what each kink shows of one, put together until every entry is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divulge.arrays import Index
from divulge.reconstruction.convolutional.ends import way_up
from divulge.reconstruction.convolutional.followed import Follower
from divulge.reconstruction.convolutional.linearised import Moving, moving
from divulge.reconstruction.convolutional.pooled_channels import PooledChannels
from divulge.reconstruction.convolutional.rows import Row
from divulge.reconstruction.convolutional.sides import (
    Frame,
    origin_at_edge,
    origin_of,
    origins_around,
)
from divulge.reconstruction.convolutional.walk import Answer, Kink, Walk
from divulge.reconstruction.convolutional.window import (
    Fragment,
    Origin,
    Shown,
    Together,
    fragment,
    refuted,
    shown,
)
from divulge.reconstruction.settings import CONV_ENDS, CONV_ROWS


class NextLayer(PooledChannels):
    """The search for the channels of the layer behind the known ones.

    A channel is among the known layers from its first kink on, entries that were not seen yet being 0: where
    the features of these are off it is right, and what it explains is not cut up.

    Attributes:
        crossings: of the layer's channels that were met.
        grid_is_known: whether windows that padding clips may show new channels, padding being told.
    """

    grid_is_known = False

    def __init__(self, walk: Walk, frame: Frame) -> None:
        super().__init__(walk, frame)
        self.crossings = 0
        walk.told = self._count

    def find(self, quiet: int, kinks: Sequence[Kink] = ()) -> None:
        """Walk on until so many crossings of known channels in a row showed no new entry.

        Args:
            quiet: how many.
            kinks: that were met before.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        for kink in kinks:
            self.take(kink)
        for row in self.rows:
            row.missed = 0
        self.complete()
        since, rows, steps = self.crossings, len(self.rows), 0
        while self.crossings - since < quiet and steps < CONV_ROWS.patience:
            steps += 1
            for kink in self.walk.step():
                self.take(kink)
            if len(self.rows) > rows:
                self.complete()
                since, rows, steps = self.crossings, len(self.rows), 0
        self.finish()

    def find_ends(self) -> None:
        """Where units are cut off above, walk further out, until no more channels are seen to end.

        Those that end hardly anywhere are taken far up, and their ends looked for on the way.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        if not self.walk.bounded or not self._endless():
            return
        self.walk.reach, self.walk.blocks, since = CONV_ENDS.wide, True, 0
        self.walk.restart()
        while since < CONV_ENDS.patience and self._endless():
            endless = len(self._endless())
            for kink in self.walk.step():
                self.take(kink)
            since = since + 1 if endless == len(self._endless()) else 0
        for row in self._endless():
            row.sought = True
            for count in range(CONV_ENDS.tries):
                if np.isfinite(row.end) or not any(row is other for other in self.rows):
                    break
                self._climb(row, (-1.0) ** count)
        self.walk.reach, self.walk.blocks = 1.0, False
        self.walk.restart()
        self.finish()

    def _endless(self) -> list[Row]:
        """Whole channels whose ends are not known, and were not looked for."""
        return [row for row in self.rows if row.whole and not row.sought and not np.isfinite(row.end)]

    def _climb(self, row: Row, up: float) -> None:
        """Take a channel far up, or far down, until its end is met."""
        number = next(i for i, other in enumerate(self.rows) if other is row)
        for kink in self.walk.along(way_up(self.walk, self.depth, number, up)):
            self.take(kink)
            if np.isfinite(row.end):
                break

    def finish(self) -> None:
        """Drop what is no channel, and look for the entries of channels that are not known yet.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        self._certify()
        self.complete()
        self.find_offsets()

    def take(self, kink: Kink) -> None:
        """Look what a kink tells of a channel."""
        if self._known_elsewhere(kink):
            return
        origins = self._origins(kink)
        now = moving(self.walk.known, kink.point, self.depth)
        if self.walk.bounded and self._ends(kink, now, origins or self._around(kink)):
            return
        if not origins:
            if not self._shows_pair(kink, now):
                self._show_part(kink, now)
            return
        for origin in origins:
            view = shown(now, kink, origin, self.frame.kernel)
            found = fragment(Together(view), self.walk.tolerances.rounding)
            if found is not None and found.margin >= CONV_ROWS.margin:
                self._keep(found, origin, view.kink)
                return
            if self._fills(kink, origin) or (too_few_equations(view) and self._followed(kink, origin)):
                return
        self.deeper.append(kink)

    def _show_part(self, kink: Kink, now: Moving) -> None:
        """Look whether a kink that shows a part of a window adds to a channel in the making."""
        tolerance = self.walk.tolerances
        for origin in self._around(kink):
            found = fragment(Together(shown(now, kink, origin, self.frame.kernel)), tolerance.rounding)
            if found is None or found.margin < CONV_ROWS.margin:
                continue
            if self._joins(found, origin):
                return
        if not (self.grid_is_known and self._begins_at_edge(kink, now)):
            self.deeper.append(kink)

    def _around(self, kink: Kink) -> list[Origin]:
        """Where windows may begin of which a kink shows a part, if these are not too many."""
        if not self.rows or self.frame.whole:
            return []
        around = origins_around(self.walk.known, self.depth, self.frame, kink)
        return around if len(around) <= CONV_ROWS.around else []

    def _begins_at_edge(self, kink: Kink, now: Moving) -> bool:
        """Whether a kink shows a channel, not known before, in a window that padding clips."""
        origin = origin_at_edge(self.walk.known, self.depth, self.frame, kink) if self.rows else None
        if origin is None:
            return False
        found = fragment(Together(shown(now, kink, origin, self.frame.kernel)), self.walk.tolerances.rounding)
        if found is None or found.margin < CONV_ROWS.margin:
            return False
        self._keep(found, origin, kink)
        return True

    def _origins(self, kink: Kink) -> list[Origin]:
        if self.frame.whole:
            return [Origin(0, 0)]
        origin = origin_of(self.walk.known, self.depth, self.frame, kink)
        return [] if origin is None else [origin]

    def _fills(self, kink: Kink, origin: Origin) -> bool:
        """Whether a kink is of a channel in the making, and shows entries of it that were not known."""
        return any(self._adds(row, kink, origin) for row in list(self.rows) if not row.whole)

    def _followed(self, kink: Kink, origin: Origin) -> bool:
        """Follow the unit of a kink that tells too little alone, until its kinks show a channel together."""
        kinks = Together()
        best: Fragment | None = None
        tolerance = self.walk.tolerances.rounding
        for each in Follower(self.walk, self.depth, kink).kinks():
            now = moving(self.walk.known, each.point, self.depth)
            kinks.add(shown(now, each, origin, self.frame.kernel))
            if refuted(kinks, tolerance, CONV_ROWS.margin):
                return False
            found = fragment(kinks, tolerance) if len(kinks.views) > 1 else None
            if found is not None and found.margin >= CONV_ROWS.margin:
                best = found
                if found.known.mean() >= CONV_ROWS.most_known:
                    break
        if best is None or best.known.mean() < CONV_ROWS.least_known:
            return False
        self._keep(best, origin, kink)
        return True

    def _certify(self) -> None:
        """Drop channels that one kink showed which is none.

        Two kinks of one window that were taken for one show a channel that is not there.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        for row in [row for row in self.rows if row.alone is not None]:
            assert row.alone is not None
            if self.walk.certified(row.alone):
                row.alone = None
        if any(row.alone is not None for row in self.rows):
            self.rows = [row for row in self.rows if row.alone is None]
            self._write()

    def _count(self, before: Answer, after: Answer, units: Index) -> None:
        """Count crossings of this layer's channels."""
        if self.layer is None:
            return
        own = units[units >= sum(self.walk.known.sizes()[: self.depth])]
        self.crossings += len(own)


def too_few_equations(view: Shown) -> bool:
    """Whether a kink has no more equations than its window has features that are on."""
    on = np.any(view.rows != 0, axis=1)
    return int(np.any(view.rows != 0, axis=0).sum()) < int(on.sum()) + CONV_ROWS.margin
