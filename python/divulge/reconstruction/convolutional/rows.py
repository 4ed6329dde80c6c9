"""A channel in the making: entries that pieces of it showed, put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.reconstruction.convolutional.patches import gap
from divulge.reconstruction.convolutional.walk import Kink
from divulge.reconstruction.convolutional.window import Fragment, Origin
from divulge.reconstruction.settings import CONV_ROWS


@dataclass
class Row:
    """A channel in the making.

    Attributes:
        weights: of a window's features, then the offset, shape (q + 1,); 0 where not known.
        known: which are, shape (q + 1,).
        alone: the kink that it was seen at, where no other one has shown it yet.
        at: a kink of it, and where the window begins there.
        missed: times that it was aimed at in vain since it was last added to.
        end: its level where it is cut off above, infinite where that was not seen.
        sought: whether that was looked for.
    """

    weights: Array
    known: NDArray[np.bool_]
    alone: Kink | None = None
    at: tuple[Kink, Origin] | None = None
    missed: int = 0
    end: float = np.inf
    sought: bool = False

    @property
    def whole(self) -> bool:
        """Whether every entry is known."""
        return bool(self.known.all())

    def shares(self, other: Fragment | Row, tolerance: float) -> bool:
        """Whether a fragment is of this channel: their common entries are the same up to a factor.

        Two of these at least are not 0: a depthwise filter is 0 but for one channel, and 0s beside one
        number, the offset as a rule, are the same whatever the window.
        """
        both = self.known & other.known
        if both.sum() < (2 if self.whole else CONV_ROWS.overlap):
            return False
        mine, theirs = self.weights[both], other.weights[both]
        sizes = np.linalg.norm(mine), np.linalg.norm(theirs)
        if min(sizes) <= CONV_ROWS.slight * min(np.linalg.norm(self.weights), np.linalg.norm(other.weights)):
            return False
        larger = np.maximum(np.abs(mine) / sizes[0], np.abs(theirs) / sizes[1])
        if (larger > CONV_ROWS.slight).sum() < CONV_ROWS.not_zero:
            return False
        return gap(mine, theirs) <= tolerance

    def join(self, other: Fragment | Row) -> bool:
        """Take the entries of a fragment that are not known yet; False where there are none."""
        both, fresh = self.known & other.known, other.known & ~self.known
        if not fresh.any():
            return False
        factor = self.weights[both] @ other.weights[both] / (other.weights[both] @ other.weights[both])
        self.weights[fresh] = factor * other.weights[fresh]
        self.known |= other.known
        self.missed = 0
        return True
