"""Answers that sides of the last hidden layer are read from: many of its units switch among them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.equations import Equations, Solution
from divulge.reconstruction.convolutional.geometry import spreads
from divulge.reconstruction.convolutional.inputs import fine, grainy
from divulge.reconstruction.convolutional.judge import certain_of
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.linearised import convolved, moving
from divulge.reconstruction.convolutional.walk import Walk
from divulge.reconstruction.settings import CONV_LAST

Chosen = Callable[[Index, ConvLayer], Index]


class SideAnswers:
    """Rows of answers to solve for the last layer's units by; where there are too few it asks."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.prefix = walk.known
        self._near = self._apart = np.empty(0, np.intp)

    def in_all(self, count: int) -> Index:
        """Return rows of so many answers, far from each other in the walk, and of some at which units switch.

        Where there are fewer answers it asks.
        """
        transcript = self.walk.transcript
        missing = count - len(transcript)
        fresh = self.fresh(missing) if missing > 0 else np.empty(0, np.intp)
        told = self._certain(np.arange(len(transcript) - len(fresh)))
        some = np.linspace(0, len(told) - 1, count - len(fresh)).astype(np.intp)
        rows = np.unique(np.concatenate([told[some], self._certain(fresh)]))
        return self._with_switches(
            rows,
            np.arange(self.prefix.sizes()[-1]),
            CONV_LAST.constant,
            self._certain(np.arange(len(transcript))),
        )

    def near(self, pixels: Index, layer: ConvLayer) -> Index:
        """Return rows of answers to fine noise, where channels that are seldom on are off."""
        if not len(self._near):
            first = len(self.walk.transcript)
            self.walk.ask(fine(self.walk.lines, self.prefix.shape, CONV_LAST.apart))
            self._near = np.arange(first, len(self.walk.transcript))
        walked = self._certain(np.array(self.walk.rows, np.intp))
        some = walked[np.linspace(0, len(walked) - 1, CONV_LAST.answers).astype(np.intp)]
        rows = np.unique(np.concatenate([some, self._certain(self._near)]))
        return self._with_switches(rows, self._seeing(pixels, layer), 0.0, walked)

    def far(self, pixels: Index, layer: ConvLayer) -> Index:
        """Return rows of answers at which the units that see some pixels switch."""
        if not len(self._apart):
            self._apart = self.fresh(CONV_LAST.apart)
        everything = self._certain(np.arange(len(self.walk.transcript)))
        walked = everything[np.linspace(0, len(everything) - 1, CONV_LAST.answers).astype(np.intp)]
        rows = np.unique(np.concatenate([walked, self._certain(self._apart)]))
        return self._with_switches(rows, self._seeing(pixels, layer), 0.0, everything)

    def on(self, rows: Index) -> NDArray[np.bool_]:
        """Which units are above 0 at answers, shape (n, units)."""
        with torch.no_grad():
            images = self.prefix.images(self.walk.transcript.points[rows, :-1])
            return np.asarray((self.prefix.before(images)[-1] > 0).flatten(1).numpy())

    def fresh(self, count: int) -> Index:
        """Ask about random points of many sizes; return the rows of their answers."""
        return self.walk.transcript.ask(spread(self.walk, count))

    def solved(self, equations: Equations, rows: Index) -> Solution:
        """Solve equations by the first output's answers in some rows."""
        transcript = self.walk.transcript
        points, gradients = transcript.points[rows, :-1], transcript.pieces[rows, :-1]
        values = transcript.told(rows)
        if equations.pixels is not None:
            gradients = gradients[:, equations.pixels]
        return equations.solve(points, gradients[:, :, None], values[:, None])

    def _certain(self, rows: Index) -> Index:
        """Those of answers at which every unit's side is certain, all where there is none."""
        return certain_of(rows, self.prefix, self.walk.transcript)

    def _seeing(self, pixels: Index, layer: ConvLayer) -> Index:
        """Return the units of the last layer that see some pixels."""
        depth = len(self.prefix.layers) - 1
        slopes = convolved(layer, moving(self.prefix, self.walk.samples(1)[0], depth, pixels)).slopes
        return np.flatnonzero((slopes != 0).any(dim=0).flatten().numpy())

    def _with_switches(self, rows: Index, units: Index, share: float, among: Index) -> Index:
        """Add answers until all but a share of units are on at one and off at another that are so at any."""
        on = self.on(np.arange(len(self.walk.transcript)))[:, units]
        both = np.concatenate([on, ~on], axis=1)
        both[np.setdiff1d(np.arange(len(both)), among)] = False
        missing = both.any(axis=0) & ~both[rows].any(axis=0)
        few = share * on.shape[1]
        while missing.sum() > few and len(rows) < CONV_LAST.most:
            best = int(both[:, missing].sum(axis=1).argmax())
            rows, missing = np.append(rows, best), missing & ~both[best]
        return rows


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


def spread(walk: Walk, count: int) -> Array:
    """Random points (n, d) of many sizes, in a box corners too: units switch among them that seldom do."""
    lines = walk.lines
    if lines.domain is not None:
        return np.where(np.arange(count)[:, None] % 2, walk.samples(count), lines.samples(count))
    return grainy(lines, walk.known.shape, count) * 10 ** lines.rng.uniform(*CONV_LAST.powers, (count, 1))
