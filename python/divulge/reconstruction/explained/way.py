"""The way from a baseline to an input, over which integrated gradients are a mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.network.record import homogeneous


@dataclass(frozen=True)
class Way:
    """Where gradients on the way from b to b + u are taken: at m steps, or everywhere.

    Attributes:
        alphas: the places of the steps, rising, shares of the way, shape (m,); none everywhere.
    """

    alphas: Array

    @classmethod
    def of_steps(cls, steps: int | None) -> Way:
        """Return the way in the middles of so many equal parts; None: everywhere."""
        return cls(np.empty(0) if steps is None else (np.arange(steps) + 0.5) / steps)

    @property
    def everywhere(self) -> bool:
        """Whether the mean is an integral."""
        return not len(self.alphas)

    def shares(self, offsets: Array, ends: Array) -> Array:
        """Return the share of the way, (n, h), on which units from offsets (h,) to ends (n, h) are on."""
        if not self.everywhere:
            return np.asarray(
                np.mean(
                    [offsets + alpha * (ends - offsets) > 0 for alpha in self.alphas], axis=0, dtype=float
                )
            )
        on = np.maximum(np.maximum(offsets, 0), np.maximum(ends, 0))
        crossed = (offsets > 0) != (ends > 0)
        gap = np.abs(offsets) + np.abs(ends)
        return np.where(crossed, on / np.where(gap > 0, gap, 1.0), (ends > 0).astype(float))

    def clear(self, rows: Array, points: Array, rounding: float) -> Mask:
        """Whether no step to u (n, d) ends so near to one of rows (h, d + 1) that rounding moves it over."""
        sure = np.ones(len(points), bool)
        for alpha in self.alphas:
            ends = homogeneous(alpha * points)
            blur = rounding * np.linalg.norm(ends, axis=1, keepdims=True)
            sure &= (np.abs(ends @ rows.T) > blur).all(axis=1)
        return sure
