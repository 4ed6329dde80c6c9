"""Trees grown on the classes and the slopes that LIME tells of a few inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index
from divulge.attributions.lime import Lime
from divulge.surrogate.sloped_tree import Sloped, SlopedTree

TREES = 20
SHARE_ERROR = 0.15  # of a class that is named: below it labels are all but certain, as they are
# Times (samples less numbers)^(-1/2): a slope's error. Shares are off a plane by some .5, and samples far out
# count less.
SLOPE_ERROR = 0.7


@dataclass(frozen=True)
class SlopedForest:
    """Trees that explain classes and slopes, each with the answers weighted by chance.

    Attributes:
        trees: over inputs in units.
        unit: the widths of the samples that count, shape (d,).
    """

    trees: tuple[SlopedTree, ...]
    unit: Array

    @classmethod
    def of(
        cls, lime: Lime, x: Array, y: Index, told: Array, outputs: Index, *, size: int, seed: int
    ) -> SlopedForest:
        """Grow trees on what was told of inputs.

        Args:
            lime: what explanations are; more samples than numbers.
            x: inputs, shape (n, d).
            y: their classes, shape (n,).
            told: LIME's slopes of shares, shape (n, d).
            outputs: which output each explains, shape (n,).
            size: of outputs; one speaks for class 1.
            seed: of every random choice.
        """
        n, d = x.shape
        # Samples that count exp(-|e|^2 / (2 d kernel^2)) are normal ones of this width.
        narrowed = (1.0 + 1.0 / (d * lime.kernel**2)) ** -0.5
        unit = narrowed * lime.factor(np.ones((1, d)))[0]
        if size <= 2:
            shares, own = (y == 1).astype(float)[:, None], np.ones((n, 1))
            told = np.where(outputs == size - 1, 1.0, -1.0)[:, None] * told
        else:
            shares, own = (part[:, None] == np.arange(size) for part in (y, outputs))
        error = SLOPE_ERROR / (lime.samples - d) ** 0.5
        rng = np.random.default_rng(seed)
        trees = []
        for _ in range(TREES):
            count = np.asarray(rng.standard_exponential(n))
            count = count / count.mean()
            parts = count / SHARE_ERROR**2, count / error**2
            every = Sloped(x / unit, shares.astype(float), narrowed * told, own.astype(float), *parts)
            trees.append(SlopedTree(every, rng))
        return cls(tuple(trees), unit)

    def shares(self, points: Array) -> Array:
        """Return the share of each class at points (n, d): shape (n, K), K at least 2."""
        found = np.mean([tree.shares(points / self.unit) for tree in self.trees], axis=0)
        return found if found.shape[1] > 1 else np.column_stack([1.0 - found, found])
