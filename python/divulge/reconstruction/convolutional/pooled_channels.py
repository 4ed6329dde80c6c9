"""Channels with max pooling behind them: a kink where it changes over shows a filter less itself, moved.

The offset does not count there. It is found where the pooled window goes below 0 as a whole.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from divulge.reconstruction.convolutional.completing import Completing
from divulge.reconstruction.convolutional.geometry import unit_box
from divulge.reconstruction.convolutional.linearised import Moving
from divulge.reconstruction.convolutional.patches import box_of
from divulge.reconstruction.convolutional.pooled_windows import move_shown, without_offset
from divulge.reconstruction.convolutional.rows import Row
from divulge.reconstruction.convolutional.uphill import uphill
from divulge.reconstruction.convolutional.walk import Kink
from divulge.reconstruction.convolutional.window import Fragment, Origin, Shown, Together, fragment, shown
from divulge.reconstruction.settings import CONV_FIRST, CONV_ROWS, TINY


class PooledChannels(Completing):
    """Channels that are put together from kinks of pooled windows, too."""

    def _keep(self, found: Fragment, origin: Origin, kink: Kink) -> None:
        """Add a fragment to the channel it is of, or begin a new one."""
        if self._joins(found, origin):
            return
        row = Row(found.weights.copy(), found.known.copy(), kink, (kink, origin))
        self.rows.append(row)
        self._see(origin)
        self._settle(row)

    def _shows_pair(self, kink: Kink, now: Moving) -> bool:
        """Whether a kink shows a channel at two places of a pooled window."""
        pair = self._pair(kink, now)
        if pair is None:
            return False
        here, there = (shown(now, kink, each, self.frame.kernel) for each in pair)
        view = Shown(here.rows - there.rows, here.values - there.values, kink)
        found = fragment(Together(view), self.walk.tolerances.rounding)
        if found is None or found.margin < CONV_ROWS.margin:
            return False
        if not without_offset(found, view, self.walk.tolerances.alike):
            return False
        found.weights[-1], found.known[-1] = 0.0, False
        self._keep(found, pair[0], kink)
        self._see(pair[1])
        return True

    def _pair(self, kink: Kink, now: Moving) -> tuple[Origin, Origin] | None:
        """The two windows of which a kink shows a filter less itself, moved; None where it shows another."""
        size, step = (1, 1) if self.frame.pool is None else (self.frame.pool.size, self.frame.pool.stride)
        starts, kernel = [], []
        box = unit_box(self.walk.known, self.depth, box_of(kink, self.walk.known.shape))
        for (first, last), least in zip(box, self.frame.kernel, strict=True):
            extent = (last - first + 1 - size) / step + 1
            if first % step or extent - least not in range(CONV_FIRST.widest_pool):
                return None
            starts.append(int(first) // step)
            kernel.append(int(extent))
        row, column = starts
        down, across = move_shown(
            now, kink, Origin(row, column), (kernel[0], kernel[1]), self.walk.tolerances
        )
        moves = kernel[0] - self.frame.kernel[0], kernel[1] - self.frame.kernel[1]
        if (down, abs(across)) != moves or moves == (0, 0):
            return None
        column += max(-across, 0)
        return Origin(row, column), Origin(row + down, column + across)

    def find_offsets(self) -> None:
        """Walk to where channels whose offset alone is open switch off, one way or the other.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        for hunt in range(CONV_FIRST.hunts):
            for row in self.rows:
                if row.known[:-1].all() and not row.known[-1]:
                    self._hunt(row, (-1.0) ** hunt, 1 + hunt // 2 % (CONV_FIRST.widest_pool - 1))

    def _hunt(self, row: Row, side: float, reach: int) -> None:
        """Walk from a random input to where a channel is far down, or far up, all around where it was seen.

        Few places first: of many at once some stay up where its offset is.
        """
        if row.at is None:
            return
        _, origin = row.at
        filters = torch.from_numpy(row.weights[:-1].reshape(1, -1, *self.frame.kernel))
        rows, columns = self.frame.kernel
        top, left = max(origin.row + rows - reach, 0), max(origin.column + columns - reach, 0)

        def highest(x: Tensor) -> Tensor:
            maps = F.pad(self.features(x), (columns, columns, rows, rows))
            part = maps[:, :, top : top + rows + 2 * reach, left : left + columns + 2 * reach]
            z = side * F.conv2d(part, filters).flatten(1)
            spread = z.detach().std() + TINY
            return spread * torch.logsumexp(z / spread, dim=1)

        start = self.walk.samples(1)[0]
        end = uphill(self.walk, start, lambda x: -highest(x))
        for kink in self.walk.along(np.stack([start, end])):
            self.take(kink)
            if row.known[-1] or not any(row is other for other in self.rows):
                break
        self.walk.restart()
