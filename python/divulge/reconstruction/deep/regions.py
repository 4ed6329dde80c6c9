"""Regions of the input space picked by their active features, where the first layer leaves the choice.

Where the rows of layer one are independent, x = W^+ (z - b) has any pre-activations z that one likes: any set
of features can be made the active one, and a line between two points of such a region meets no hyperplane of
that layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Mask
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import REGIONS


@dataclass(frozen=True)
class FreeLayer:
    """A first layer whose pre-activations can be chosen.

    Attributes:
        layer: the layer.
        inverse: W^+, shape (d, h).
        spread: usual size of a pre-activation.
    """

    layer: Dense
    inverse: Array
    spread: Array

    @classmethod
    def of(cls, prefix: Prefix, domain: tuple[Array, Array] | None, samples: Array) -> FreeLayer | None:
        """Return the prefix's layer if it is free: of ReLUs, alone, with independent rows, in all of R^d."""
        if len(prefix.layers) != 1 or domain is not None:
            return None
        layer = prefix.layers[0]
        if not 0 < len(layer) <= prefix.input_size or layer.slopes is not None:
            return None
        u, s, vt = layer.svd
        if s[-1] * REGIONS.worst_condition < s[0]:
            return None
        return cls(layer, (vt.T / s) @ u.T, np.std(layer.levels(samples), axis=0))

    def points(self, levels: Array) -> Array:
        """Return inputs with these pre-activations, shapes (n, d) and (n, h)."""
        return np.asarray((levels - self.layer.offsets) @ self.inverse.T)

    def levels_in(self, active: Mask, rng: np.random.Generator) -> Array:
        """Return random pre-activations, heavy-tailed, positive exactly on the active sets, shape (n, h)."""
        size = np.abs(rng.standard_normal(active.shape)) * np.exp(rng.standard_normal(active.shape))
        return np.asarray(np.where(active, 1.0, -1.0) * (REGIONS.least_level + size) * self.spread)

    def on_hyperplanes(
        self,
        rows: Array,
        offsets: Array,
        active: Mask,
        rng: np.random.Generator,
        edges: NDArray[np.intp] | None = None,
    ) -> Array:
        """Return inputs in the regions with these active sets, on the hyperplane of one unit each.

        The levels with positive and those with negative weight are scaled against each other.

        Args:
            rows: one unit for each input, shape (n, h).
            offsets: of those units, shape (n,).
            active: shape (n, h).
            rng: draws the levels.
            edges: a feature for each input on whose hyperplane it shall lie too, shape (n,), or None.

        Returns:
            Shape (n, d); NaN where a unit has no zero in its region.
        """
        return self.points(self.hyperplane_levels(rows, offsets, active, rng, edges))

    def hyperplane_levels(
        self,
        rows: Array,
        offsets: Array,
        active: Mask,
        rng: np.random.Generator,
        edges: NDArray[np.intp] | None = None,
    ) -> Array:
        """Return the pre-activations at such inputs, shape (n, h)."""
        levels = self.levels_in(active, rng)
        if edges is not None:
            levels[np.arange(len(levels)), edges] = 0.0
        part = np.where(active, levels * rows, 0.0)
        up, down = np.where(part > 0, part, 0.0).sum(axis=1), np.where(part < 0, part, 0.0).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(offsets + up > 0, -(offsets + up) / down, -(offsets + down) / up)
        positive = np.where((offsets + up > 0)[:, None], part < 0, part > 0)
        scale[~(scale > 0) | ~np.isfinite(scale)] = np.nan
        levels = np.where(positive, levels * scale[:, None], levels)
        levels[np.isnan(scale)] = np.nan  # nothing in the region could be scaled
        return np.asarray(levels)
