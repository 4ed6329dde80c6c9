"""Whether known channels explain an answer, whatever their sides: where not, one is missing that is on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.equations import least_squares
from divulge.reconstruction.convolutional.feature_sides import sees_enough, some_pixels
from divulge.reconstruction.convolutional.layers import ConvLayer, Pool
from divulge.reconstruction.convolutional.linearised import convolved, moving
from divulge.reconstruction.convolutional.next_layer import NextLayer
from divulge.reconstruction.convolutional.side_answers import spread
from divulge.reconstruction.convolutional.sides import both_sides
from divulge.reconstruction.convolutional.walk import Answer, Kink, Walk
from divulge.reconstruction.settings import CONV_SPANNED, TINY


class Spanned:
    """Answers held against the gradients of all units of the last known layer, on either side.

    Whatever is behind these, a gradient is a combination of theirs, except where a channel that is missing is
    on.

    Args:
        walk: its known layers, the last one's sides not told.
        pool: what is supposed behind the last one.
    """

    def __init__(self, walk: Walk, pool: Pool | None) -> None:
        self.walk = walk
        self.pool = pool

    def explains(self, answer: Answer) -> bool | None:
        """Whether an answer is a combination; None where that of another channel would be one as well.

        Such are answers where few features are on that the layer is given: its units make up what these do.
        So are those of gradient 0, at which all is off that is behind.
        """
        if not answer.gradient.any():
            return None
        known = self.walk.known
        layer = replace(known.layers[-1], pool=self.pool, signs=None, slope=0.0)
        pixels = some_pixels(known, layer)
        columns = both_sides(known, layer, answer.point, pixels).rows().T
        columns = columns[:, np.any(columns != 0, axis=0)]
        if columns.shape[1] + CONV_SPANNED.margin > len(columns):
            return None
        others = self._others(layer, answer, pixels)
        wanted = np.column_stack([answer.gradient[pixels], others])
        columns = columns / np.linalg.norm(columns, axis=0)
        left = np.abs(columns @ least_squares(columns, wanted)[0] - wanted).max(axis=0)
        spanned = left <= self.walk.tolerances.missing * np.maximum(np.abs(wanted).max(axis=0), TINY)
        if not spanned[0]:
            return False
        return True if len(spanned) > 1 and spanned[1:].mean() <= CONV_SPANNED.blind else None

    def _others(self, layer: ConvLayer, answer: Answer, pixels: Index) -> Array:
        """Gradients (pixels, units) of the units of a channel that there is not."""
        known = self.walk.known
        filters = np.random.default_rng(known.size).standard_normal((1, *layer.filters.shape[1:]))
        other = replace(layer, filters=filters, offsets=np.zeros(1))
        rows = convolved(other, moving(known, answer.point, len(known.layers) - 1, pixels)).rows()
        return np.asarray(rows[np.any(rows != 0, axis=1)].T)


class MissingChannels:
    """The search for channels of a layer that its kinks have not shown, behind which are dense layers.

    Kinks of these are no news: where a channel that is missing switches, answers cease to be explained.

    Attributes:
        last: an answer that known channels explain.
    """

    def __init__(self, layer: NextLayer, pool: Pool | None) -> None:
        self.layer = layer
        self.walk = layer.walk
        self.spanned = Spanned(layer.walk, pool)
        self.last: Answer | None = None

    def found_all(self) -> bool:
        """Look for channels until many fresh answers in a row are explained; whether that came to be.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        self.layer.settle_grid()
        self.layer.grid_is_known = True
        explained = failures = 0
        for _ in range(CONV_SPANNED.most):
            if explained == CONV_SPANNED.quiet or failures == CONV_SPANNED.failures:
                break
            (answer,) = self.walk.ask(spread(self.walk, 1))
            told = self.spanned.explains(answer)
            if told:
                self.last = answer
                explained += 1
            elif told is False and self.learns_from(answer):
                explained = failures = 0
            elif told is False:
                failures += 1
        return explained == CONV_SPANNED.quiet

    def learns_from(self, answer: Answer) -> bool:
        """Whether what switches on the way from an explained answer to one that is not told of channels."""
        entries = self.layer.entries
        for kink in self._kinks(answer):
            self.layer.take(kink)
        if self.layer.entries > entries:
            self.layer.finish()
        return self.layer.entries > entries

    def _kinks(self, answer: Answer) -> Iterator[Kink]:
        """Cut the way to an answer until it is short, and isolate what switches where answers fail."""
        if self.last is None:
            return
        before, after = self.last, answer
        for _ in range(CONV_SPANNED.cuts):
            (middle,) = self.walk.ask(0.5 * (before.point + after.point)[None])
            if self.spanned.explains(middle) is False:
                after = middle
            else:
                before = middle
        yield from self.walk.isolated(before, after)


def likeliest_pool(
    walk: Walk, pools: list[Pool | None], answers: list[Answer]
) -> tuple[Pool | None, Answer] | None:
    """Return what is behind the last known layer, by which most answers are explained, and one of these."""
    layer = walk.known.layers[-1]
    best: tuple[int, Pool | None, Answer] | None = None
    for pool in reversed(pools):  # unpooled first: what is pooled is a combination of that
        if sees_enough(walk.known, replace(layer, pool=pool)):
            good = [each for each in answers if Spanned(walk, pool).explains(each)]
            if good and (best is None or len(good) > best[0]):
                best = len(good), pool, good[-1]
    return None if best is None else best[1:]
