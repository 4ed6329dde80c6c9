"""From a jump to the part of a unit's row that it shows.

At a kink x* of a unit j in the layer after the prefix the gradient jumps by

    D = c (r_j masked by the features active at x*) . J(x*),     r_j . features(x*) + b_j = 0,

J the features' Jacobian: a least-squares solve over the active features gives c r_j on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge import _core
from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import PARTIAL_ROWS


@dataclass(frozen=True)
class Segments:
    """What jumps say about rows of the next layer, each up to a factor of its own.

    Attributes:
        rows: c r_j on the active features, 0 elsewhere, shape (m, p).
        masks: the active features, shape (m, p).
        offsets: c b_j, shape (m,).
        residuals: part of each jump that no row explains, relative, shape (m,).
        determined: whether the row is the only one that explains the jump, shape (m,).
        points: the kinks, shape (m, d).
    """

    rows: Array
    masks: Mask
    offsets: Array
    residuals: Array
    determined: Mask
    points: Array

    def __len__(self) -> int:
        return len(self.offsets)

    def take(self, which: Index | Mask) -> Segments:
        """Return some of them."""
        return Segments(
            self.rows[which],
            self.masks[which],
            self.offsets[which],
            self.residuals[which],
            self.determined[which],
            self.points[which],
        )

    def joined(self, more: Segments) -> Segments:
        """Return these and more."""
        return Segments(
            np.concatenate([self.rows, more.rows]),
            np.concatenate([self.masks, more.masks]),
            np.concatenate([self.offsets, more.offsets]),
            np.concatenate([self.residuals, more.residuals]),
            np.concatenate([self.determined, more.determined]),
            np.concatenate([self.points, more.points]),
        )


def segments(prefix: Prefix, points: Array, jumps: Array) -> Segments:
    """Solve every jump for the row it shows.

    Args:
        prefix: the layers known so far.
        points: kinks, shape (m, d).
        jumps: gradients' jumps there, shape (m, d).
    """
    masks = prefix.masks(points)
    if not prefix.layers:
        rows, residuals, determined = jumps, np.zeros(len(jumps)), np.ones(len(jumps), bool)
    else:
        rows, residuals, determined = masked_rows(prefix, points, jumps, masks)
    offsets = -np.einsum("mp,mp->m", rows, prefix.features(points))
    return Segments(rows, masks, offsets, residuals, determined, points)


def masked_rows(prefix: Prefix, points: Array, jumps: Array, masks: Mask) -> tuple[Array, Array, Mask]:
    """Return rows, relative residuals, and whether they are unique, by least squares on active features."""
    if len(prefix.layers) == 1 and prefix.layers[0].slopes is None:  # one basis for all
        rows, residuals, ranks = _core.masked_least_squares(prefix.layers[0].rows, jumps, masks)
        return rows, residuals, ranks == masks.sum(axis=1)
    rows, residuals = np.zeros(masks.shape), np.empty(len(points))
    determined = np.zeros(len(points), bool)
    for start in range(0, len(points), PARTIAL_ROWS.block):
        some = slice(start, start + PARTIAL_ROWS.block)
        basis = prefix.jacobians(points[some])
        rows[some], residuals[some], ranks = _core.masked_least_squares(basis, jumps[some], masks[some])
        determined[some] = ranks == masks[some].sum(axis=1)
    return rows, residuals, determined
