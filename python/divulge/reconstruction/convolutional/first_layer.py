"""The first layer: an unexplained jump is one filter, times a factor, at one place."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.elsewhere import is_combined, shows_elsewhere
from divulge.reconstruction.convolutional.ends import Levels, is_bounded
from divulge.reconstruction.convolutional.geometry import Place, clipped, grid_of, grid_of_pairs, starts
from divulge.reconstruction.convolutional.kernel_size import repeated_size, unclipped_size
from divulge.reconstruction.convolutional.layers import ConvLayer
from divulge.reconstruction.convolutional.patches import Box, box_of, gap, patch_of
from divulge.reconstruction.convolutional.pooled_pairs import PooledPairs
from divulge.reconstruction.convolutional.walk import Answer, Kink, Walk
from divulge.reconstruction.settings import CONV_ENDS, CONV_FIRST


class Kind(Enum):
    """What a kink is of.

    CHANNEL: a known channel, at a place where it was not looked for. NEW: a channel not known before. PAIR:
    max pooling, which changes over from one place to another. UNCLEAR: as small as a filter, but none.
    DEEPER: none of the first layer.
    """

    CHANNEL = "channel"
    NEW = "new"
    PAIR = "pair"
    UNCLEAR = "unclear"
    DEEPER = "deeper"


class FirstLayer:
    """The search for the filters of the first layer.

    Attributes:
        deeper: kinks of layers behind it.
        places: where channels were seen.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.shape = walk.known.shape
        self.deeper: list[Kink] = []
        self.places: list[Place] = []
        self._early: list[tuple[Kink, Box]] = []
        self._unclear: list[Kink] = []
        self._pooled = PooledPairs(walk)
        self._unsure: dict[int, Kink] = {}  # channels that one kink alone has shown so far
        self._searching = True  # whether there is a walk ahead that may show them again
        self._shown_by: list[tuple[Kink, Box]] = []
        self._levels = Levels()
        self._looked_at = 0  # channels that were doubted, or are above doubt
        self._doubtful = False  # whether kinks of the next layer are as small as filters

    @property
    def layer(self) -> ConvLayer:
        """What is known of it."""
        return self.walk.known.layers[0]

    def recognised(self) -> bool:
        """Walk until a patch comes twice, at two places; False where jumps look otherwise.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        still = 0
        for _ in range(CONV_FIRST.most_steps):
            found = self.walk.step()
            still = 0 if found else still + 1
            if still == CONV_FIRST.still:
                return False
            for kink in found:
                box = box_of(kink, self.shape)
                self._early.append((kink, box))
                kernel = repeated_size(
                    self._early, self.shape, self.walk.tolerances.missing, len(self._early) >= CONV_FIRST.late
                )
                if kernel is not None:
                    self._begin(kernel)
                    return True
            if len(self._early) >= CONV_FIRST.dense and len({box for _, box in self._early}) == 1:
                return False  # all see the same pixels: the image, or what is left of it
            if len(self._early) >= CONV_FIRST.most_early:
                return False
        return False

    def _begin(self, kernel: tuple[int, int]) -> None:
        """Take the size of a filter and look at all kinks so far again."""
        filters = np.zeros((0, self.shape[0], *kernel))
        self.walk.known.layers.append(ConvLayer(filters, np.zeros(0)))
        self.walk.told = self._note_places
        early, self._early = self._early, []
        for kink, _ in sorted(early, key=lambda pair: pair[1].size != kernel):
            self.take(kink)

    def complete(self, quiet: int) -> None:
        """Walk on until so many crossings of known channels in a row showed no new one.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        self._search(quiet)
        kernel = self._unclipped()
        if kernel is not None:
            self._begin_again(kernel)
            self._search(quiet)
        self._search_ends()
        again, self._unclear = self._unclear, []
        for kink in again:
            self.take(kink)
        if self._loses_unsure():  # what these explained wrongly, or counted as known, is still to be seen
            self._search(quiet)
        self._settle_grid()

    def _unclipped(self) -> tuple[int, int] | None:
        """The size of filters of which known ones, seen at edges alone, are parts, or None."""
        if not self.deeper or not len(self.layer):
            return None
        if not all(box.touches(*self.shape[1:]) for _, box in self._shown_by):
            return None
        kinks = [(kink, box_of(kink, self.shape)) for kink in self.deeper]
        return unclipped_size(self.layer.filters, kinks, self.shape, self.walk.tolerances.alike)

    def _begin_again(self, kernel: tuple[int, int]) -> None:
        """Look at all kinks again for filters of another size."""
        self.walk.known.layers.clear()
        self.deeper, self.places, self._unclear = [], [], []
        self._unsure, self._shown_by = {}, []
        self._pooled.forget()
        self._early = [(kink, box_of(kink, self.shape)) for kink in self.walk.kinks]
        self._begin(kernel)

    def _search(self, quiet: int) -> None:
        """Walk until so many crossings of known channels in a row showed no new one."""
        since, channels = self.walk.flips, len(self.layer)
        for _ in range(CONV_FIRST.most_steps):
            if self.walk.flips - since >= quiet:
                if not self._pooled.aim_at_orphan():
                    break
                since = self.walk.flips
            for kink in self.walk.step():
                self.walk.flips += self.take(kink) is Kind.CHANNEL
            if len(self.layer) > channels:
                since, channels = self.walk.flips, len(self.layer)

    def _search_ends(self) -> None:
        """Where units are cut off above, walk until it is known of every channel where.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        self.walk.bounded = bool(len(self.layer)) and is_bounded(self.walk)
        if not self.walk.bounded:
            return
        self._drop_ends()
        near, self.walk.reach = list(self.deeper), CONV_ENDS.reach
        self.walk.restart()
        for _ in range(CONV_ENDS.steps):
            if self.layer.ended.all():
                break
            for kink in self.walk.step():
                self.walk.flips += self.take(kink) is Kind.CHANNEL
        self.deeper = near  # far out most features are constant, and kinks show little of what is behind
        self.walk.reach = 1.0
        self.walk.restart()

    def _drop_ends(self) -> None:
        """Drop channels whose filter another one has: they may be where that one ends."""
        filters, alike = self.layer.filters, self.walk.tolerances.alike
        twins = [
            i for i in range(len(filters)) if any(gap(filters[i], other) <= alike for other in filters[:i])
        ]
        if twins:
            kept = [i for i in range(len(filters)) if i not in twins]
            self._keep(kept)
            self._unsure = {kept.index(i): kink for i, kink in self._unsure.items() if i in kept}

    def _ends(self, kink: Kink, box: Box, patch: Array) -> bool:
        """Whether a kink is where a known channel is cut off above: seen a second time, that is known."""
        if not self.walk.bounded or box.size != self.layer.kernel:
            return False
        for channel, filter_ in enumerate(self.layer.filters):
            if not self.layer.ended[channel] and gap(filter_, patch) <= self.walk.tolerances.alike:
                window = patch_of(kink.point, box, self.shape)
                level = float((window * filter_).sum() + self.layer.offsets[channel])
                rounding = self.walk.tolerances.alike * max(float(np.linalg.norm(window)), 1.0)
                if self._levels.is_end(filter_, level, rounding):
                    self.layer.end_at(channel, level)
                return True
        return False

    def _loses_unsure(self) -> bool:
        """Whether channels that one kink alone has shown were none, but two in one; these are dropped.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        self._searching = False
        wrong = [channel for channel, kink in self._unsure.items() if not self.walk.certified(kink)]
        self._unsure = {}
        if wrong:
            self._keep([i for i in range(len(self.layer)) if i not in wrong])
        return bool(wrong)

    def _keep(self, kept: Sequence[int]) -> None:
        """Keep these channels alone."""
        self.walk.known.layers[0] = self.layer.take(np.array(kept, np.intp))
        self._shown_by = [self._shown_by[i] for i in kept]
        self.places = [
            place._replace(channel=kept.index(place[0])) for place in self.places if place[0] in kept
        ]

    def grows_by(self, kinks: Sequence[Kink]) -> bool:
        """Whether kinks that are as small as a filter are of channels not known before; these are added."""
        channels = len(self.layer)
        for kink in kinks:
            if self._is_small(box_of(kink, self.shape)):
                self.take(kink)
        return len(self.layer) > channels

    def loses_by_doubt(self) -> bool:
        """Whether channels were none, but kinks of the next layer that show few features of a window.

        These are sums of filters, or clipped at an edge, and gone at other inputs. Kinks are looked at again
        then, and told apart from now on.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        if self._doubtful or self.layer.pool is not None:
            return False
        tolerance, looked_at, height, width = self.walk.tolerances.alike, self._looked_at, *self.shape[1:]
        self._looked_at = len(self.layer)
        kept = [
            i
            for i, (kink, box) in enumerate(self._shown_by)
            if i < looked_at
            or not (box.touches(height, width) or is_combined(self.layer.filters, i, tolerance))
            or shows_elsewhere(self.walk, kink, box)
        ]
        if len(kept) in (0, len(self.layer)):  # where none shows, the test tells nothing
            return False
        self._doubtful = True
        self._keep(kept)
        self.deeper = []
        self._settle_grid()
        for kink in list(self.walk.kinks):
            self.take(kink)
        return True

    def _is_small(self, box: Box) -> bool:
        return all(size <= most for size, most in zip(box.size, self.layer.kernel, strict=True))

    def take(self, kink: Kink) -> Kind:
        """Say what a kink is of, and keep what it tells."""
        box = box_of(kink, self.shape)
        if self._is_small(box):
            return self._small(kink, box)
        if self._pooled.take(kink, box):
            self._see_pooling()
            return Kind.PAIR
        self.deeper.append(kink)
        return Kind.DEEPER

    def _small(self, kink: Kink, box: Box) -> Kind:
        """Take a kink no larger than a filter."""
        patch = patch_of(kink.jump, box, self.shape)
        for place in self._placings(box):
            for channel in range(len(self.layer)):
                seen = self._cropped(channel, place, box)
                if (
                    np.any(seen)
                    and gap(seen, patch) <= self.walk.tolerances.alike
                    and self._fits(kink, channel, place)
                ):
                    self.places.append(Place(channel, *place))
                    self._unsure.pop(channel, None)
                    self._widen(place)
                    return Kind.CHANNEL
        if box.size != self.layer.kernel:
            self._unclear.append(kink)
            return Kind.UNCLEAR
        if self._ends(kink, box, patch):
            return Kind.CHANNEL
        if not self._searching and not self.walk.certified(kink):
            return Kind.UNCLEAR
        if self._doubtful and not shows_elsewhere(self.walk, kink, box):
            self.deeper.append(kink)
            return Kind.DEEPER
        there = patch_of(kink.point, box, self.shape)
        self.layer.add(patch, -float((patch * there).sum()))
        if self._searching:
            self._unsure[len(self.layer) - 1] = kink
        self._shown_by.append((kink, box))
        self.places.append(Place(len(self.layer) - 1, *box.corner))
        return Kind.NEW

    def _placings(self, box: Box) -> list[tuple[int, int]]:
        """Where a filter may begin of which the image shows a box."""
        height, width = self.shape[1:]
        rows = starts(box.top, box.bottom, self.layer.kernel[0], height)
        return [(r, c) for r in rows for c in starts(box.left, box.right, self.layer.kernel[1], width)]

    def _cropped(self, channel: int, place: tuple[int, int], box: Box) -> Array:
        """The part of a filter at a place that a box shows."""
        top, left = box.top - place[0], box.left - place[1]
        return self.layer.filters[channel, :, top : top + box.size[0], left : left + box.size[1]]

    def _fits(self, kink: Kink, channel: int, place: tuple[int, int]) -> bool:
        """Whether a channel at a place is 0 at the kink."""
        (rows, columns), image = self.layer.kernel, kink.point.reshape(self.shape)
        padded = np.pad(image, ((0, 0), (rows, rows), (columns, columns)))
        top, left = place[0] + rows, place[1] + columns
        window = padded[:, top : top + rows, left : left + columns]
        level = (window * self.layer.filters[channel]).sum() + self.layer.offsets[channel]
        off = min(
            abs(level), abs(level - self.layer.ends[channel]) if self.layer.ends is not None else np.inf
        )
        return bool(off <= self.walk.tolerances.alike * max(float(np.linalg.norm(window)), 1.0))

    def _widen(self, place: tuple[int, int]) -> None:
        """Pad so far that a filter may begin at a place."""
        sizes = zip(place, self.layer.kernel, self.shape[1:], self.layer.padding, strict=True)
        rows, columns = (max(p, -start, start + k - length) for start, k, length, p in sizes)
        self.layer.padding = (rows, columns)

    def _see_pooling(self) -> None:
        pairs = self._pooled.pairs
        if self.layer.pool is None and len(pairs) >= CONV_FIRST.pairs:
            self._settle_grid()
            self.layer.pool = grid_of_pairs(pairs, self.layer)

    def _settle_grid(self) -> None:
        """Take stride and padding from the places seen."""
        seen = [*self.places, *(place for pair in self._pooled.pairs for place in pair)]
        if seen:
            padding = clipped(seen, self.layer.kernel, self.shape[1:])
            self.layer.stride, self.layer.padding = grid_of(seen, padding)

    def _note_places(self, before: Answer, after: Answer, units: Index) -> None:
        """Note which of the units that switched in an explained step are there: their jumps are not 0."""
        layer = self.layer
        alone = len(self.walk.known.layers) == 1 and layer.stride == (1, 1) and layer.pool is None
        if not alone or len(units) > CONV_FIRST.share * self.walk.known.size:
            return
        rows = self.walk.known.gradients(before.point, units)
        change = after.gradient - before.gradient
        sizes, _, rank, _ = np.linalg.lstsq(rows.T, change, rcond=None)
        if rank < len(units):
            return
        there = np.abs(sizes) > CONV_FIRST.there * np.abs(sizes).max()
        channel, row, column = np.unravel_index(units[there], self.walk.known.unit_shape(0))
        at = list(zip(row, column, strict=True))
        for i, place in zip(channel, at, strict=True):
            if at.count(place) == 1:  # a sum of two filters and one of these make up the other
                self._unsure.pop(int(i), None)
        padding = layer.padding
        self.places += [
            Place(int(i), int(r) - padding[0], int(c) - padding[1])
            for i, r, c in zip(channel, row, column, strict=True)
        ]
