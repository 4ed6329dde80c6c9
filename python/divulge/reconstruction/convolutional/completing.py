"""Entries of channels that no kink met so far showed: queries are aimed at them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import product

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.convolutional.aimed import Aim, Channel
from divulge.reconstruction.convolutional.channels import Channels
from divulge.reconstruction.convolutional.linearised import moving
from divulge.reconstruction.convolutional.rows import Row
from divulge.reconstruction.convolutional.walk import Kink
from divulge.reconstruction.convolutional.window import Origin, completed, shown
from divulge.reconstruction.settings import CONV_AIMED, CONV_ROWS


class Completing(Channels, ABC):
    """Channels that are completed by queries near their hyperplanes."""

    @abstractmethod
    def take(self, kink: Kink) -> None:
        """Look what a kink tells of any channel."""

    @abstractmethod
    def _followed(self, kink: Kink, origin: Origin) -> bool:
        """Follow the unit of a kink that tells too little alone, until its kinks show a channel together."""

    def complete(self) -> None:
        """Go to where channels show the entries that are not known yet, while that teaches something.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        for row in list(self.rows):
            if self._is_adrift(row) and row.at is not None and not row.missed:
                row.missed += not self._followed(*row.at)
            for _ in range(CONV_AIMED.rounds):
                done = row.known[:-1].all() or row.missed >= CONV_AIMED.failures or self._is_adrift(row)
                if done or not any(row is other for other in self.rows):
                    break
                if not self._look_at(row):
                    row.missed += 1
                    break

    def _is_adrift(self, row: Row) -> bool:
        """Whether a channel's offset is open: so is a feature that was cut off above at its kink."""
        return self.walk.bounded and not row.known[-1]

    def _look_at(self, row: Row) -> bool:
        """Ask beside a channel's hyperplane where unknown features are on; whether that taught any."""
        number = next(i for i, other in enumerate(self.rows) if other is row)
        channel = Channel(self.walk.known, self.depth, row, number)
        for point, origin in self._starts(row, channel):
            size = float(np.linalg.norm(point)) / np.sqrt(len(point))
            counts = {min(most, int(channel.unknown.sum())): None for most in CONV_AIMED.most}
            for level, most in product(CONV_AIMED.levels, counts):
                aim = channel.aim(point, origin, level * size, most)
                if aim is not None and self._shown_across(row, aim, origin):
                    return True
        return False

    def _starts(self, row: Row, channel: Channel) -> Iterator[tuple[Array, Origin]]:
        """Points (d,) near a channel's hyperplane, and where the window begins there."""
        if row.at is not None:
            yield row.at[0].point, row.at[1]
        rows = np.arange(len(self.walk.transcript))
        if self.walk.bounded:  # far out features are constant, and as large as they can be
            rows = np.array(self.walk.rows, np.intp)
        answers = self.walk.transcript.points[rows[-CONV_AIMED.answers :], :-1]
        yield from channel.starts(np.concatenate([answers, self.walk.samples(CONV_AIMED.samples)]))

    def _shown_across(self, row: Row, aim: Aim, origin: Origin) -> bool:
        """Ask on both sides of a hyperplane; whether that showed entries of the row."""
        entries = self.entries
        for wide in CONV_AIMED.wide:
            ends = np.stack([aim.point - wide * aim.across, aim.point + wide * aim.across])
            before, after = self.walk.ask(ends)
            unit = self._unit(row, origin)
            kinks = self.walk.isolated(before, after, unit) or self.walk.as_predicted(before, after, unit)
            for kink in kinks:
                if not self._adds(row, kink, origin):
                    self.take(kink)
            if self.entries > entries:
                return True
        return False

    def _unit(self, row: Row, origin: Origin) -> list[int]:
        """The number of a row's unit at a window, which switches elsewhere than what is known of it says."""
        layer, number = self.layer, next((i for i, other in enumerate(self.rows) if other is row), None)
        if layer is None or number is None:
            return []
        place = [
            divmod(first + padding, step)
            for first, padding, step in zip(origin, layer.padding, layer.stride, strict=True)
        ]
        (down, off), (across, beside) = place
        _, height, width = self.walk.known.unit_shape(self.depth)
        if off or beside or not (0 <= down < height and 0 <= across < width):
            return []
        first = sum(self.walk.known.sizes()[: self.depth])
        return [first + (number * height + down) * width + across]

    def _adds(self, row: Row, kink: Kink, origin: Origin) -> bool:
        """Whether a kink at a window is a row's and shows entries of it that were not known."""
        view = shown(moving(self.walk.known, kink.point, self.depth), kink, origin, self.frame.kernel)
        found = completed(view, row.weights, row.known, self.walk.tolerances.rounding)
        if found is None or found.margin < CONV_ROWS.margin or not row.join(found):
            return False
        row.alone = None
        self._see(origin)
        self._settle(row)
        return True
