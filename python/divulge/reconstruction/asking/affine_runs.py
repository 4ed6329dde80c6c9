"""Stretches of lines on which a function is affine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index, Mask


@dataclass
class Runs:
    """Stretches of lines on which the function is affine, sorted by line and place; or single values.

    Attributes:
        line: shape (m,).
        low, high: ends, shape (m,); equal for a single value.
        at_low, at_high: values there.
        noise_low, noise_high: rounding errors of these.
        tries: how often a single value failed to grow into a run; below 0: it never will.
    """

    line: Index
    low: Array
    high: Array
    at_low: Array
    at_high: Array
    noise_low: Array
    noise_high: Array
    tries: Index

    @classmethod
    def of_values(cls, line: Index, t: Array, values: Array, noise: Array) -> Runs:
        """Return single values."""
        tries = np.zeros(len(t), np.intp)
        return cls(line, t, t.copy(), values, values.copy(), noise, noise.copy(), tries)

    def __len__(self) -> int:
        return len(self.line)

    def take(self, rows: Index | Mask) -> Runs:
        """Return some of them."""
        return Runs(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def join(self, more: Runs) -> Runs:
        """Return these and more, sorted."""
        both = Runs(
            *(
                np.concatenate([getattr(self, name), getattr(more, name)])
                for name in self.__dataclass_fields__
            )
        )
        return both.take(np.lexsort((both.low, both.line)))

    def single(self) -> Mask:
        """Which are values only."""
        return np.asarray(self.low == self.high)

    def slope(self) -> Array:
        """Slopes, 0 for single values."""
        width = self.high - self.low
        return np.divide(self.at_high - self.at_low, width, out=np.zeros(len(self)), where=width > 0)

    def level(self, rows: Index, t: Array) -> Array:
        """Values of these runs, continued to t."""
        near_low = np.abs(t - self.low[rows]) < np.abs(t - self.high[rows])
        start = np.where(near_low, self.low[rows], self.high[rows])
        value = np.where(near_low, self.at_low[rows], self.at_high[rows])
        return np.asarray(value + self.slope()[rows] * (t - start))

    def error(self, rows: Index, t: Array) -> Array:
        """Rounding error of `level`, infinite for single values."""
        width = self.high[rows] - self.low[rows]
        beyond = np.maximum(np.maximum(self.low[rows] - t, t - self.high[rows]), 0.0)
        growth = np.divide(beyond, width, out=np.full(len(t), np.inf), where=width > 0)
        near = np.where(t < self.low[rows], self.noise_low[rows], self.noise_high[rows])
        return np.asarray(near + (self.noise_low[rows] + self.noise_high[rows]) * growth)
