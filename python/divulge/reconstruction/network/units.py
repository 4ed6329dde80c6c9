"""Hidden units found so far, and the part of every answer that they do not explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index


@dataclass
class Units:
    """Hidden units as jumps of the affine piece.

    Unit j adds the piece jumps[j] wherever sides[j] * jumps[j] . (x, 1) > 0. Which side of its hyperplane is
    the active one cannot be seen from the jump alone; the other choice moves jumps[j] into the affine part.

    Attributes:
        jumps: shape (h, d + 1).
        sides: +1 or -1, the sign of the unit's output weight, shape (h,).
    """

    jumps: Array
    sides: Array

    @classmethod
    def none(cls, input_size: int) -> Units:
        """Return no units for inputs of this size."""
        return cls(np.empty((0, input_size + 1)), np.empty(0))

    def __len__(self) -> int:
        return len(self.jumps)

    def take(self, which: Index) -> Units:
        """Return some of the units."""
        return Units(self.jumps[which], self.sides[which])

    def states(self, points: Array) -> Array:
        """0/1 state of every unit at points (n, d + 1): shape (n, h)."""
        return np.asarray((points @ self.jumps.T) * self.sides > 0, dtype=float)

    def join(self, jumps: Array, sides: Array) -> Units:
        """Return these units and some more."""
        return Units(np.concatenate([self.jumps, jumps]), np.concatenate([self.sides, sides]))

    def pieces(self, points: Array) -> Array:
        """Sum of the jumps that are on at points (n, d + 1): shape (n, d + 1)."""
        return self.states(points) @ self.jumps

    def values(self, points: Array) -> Array:
        """Sum of the units' outputs at points (n, d + 1): shape (n,)."""
        return np.asarray(np.maximum((points @ self.jumps.T) * self.sides, 0.0) @ self.sides)
