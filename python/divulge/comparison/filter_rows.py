"""Units of a layer in canonical scale, and which of two layers are the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from divulge.arrays import Array, Index, Mask
from divulge.comparison.image_layers import ImageLayer, ImageNetwork
from divulge.comparison.image_steps import Weighted
from divulge.comparison.layerwise import ever_active

# What a turned partner costs beside its distance: where a victim has a filter and its negative, straight
# partners are at rounding's distance, turned ones too.
_TURNED = 1e-3


@dataclass(frozen=True)
class Rows:
    """Units of a layer in canonical scale: those that may be active.

    Attributes:
        weights: filters of norm 1, shape (c, C, kh, kw).
        offsets: shape (c,).
        factors: what the norms were, shape (c,).
        numbers: their own ones in the layer, shape (c,).
    """

    weights: Array
    offsets: Array
    factors: Array
    numbers: Index


def canonical_rows(weighted: Weighted, layer: ImageLayer, never_negative: bool) -> Rows:
    """Scale units to norm 1, without those that are on nowhere though what they see is never negative."""
    filters, offsets = weighted.filters, weighted.offsets
    live = alive(filters, offsets, never_negative)
    norms = np.linalg.norm(filters.reshape(len(filters), -1), axis=1)
    norms[norms == 0] = 1.0
    if any(part.name == "clip" for part in layer.behind):
        norms[:] = 1.0
    norms, numbers = norms[live], np.flatnonzero(live)
    return Rows(filters[live] / norms[:, None, None, None], offsets[live] / norms, norms, numbers)


def paired(ours: Rows, truth: Rows) -> tuple[Index, Index, Array]:
    """Pair units; a turned one finds its partner, too: pairs, and which are turned."""
    mine, theirs = (rows.weights.reshape(len(rows.numbers), -1) for rows in (ours, truth))
    scale = 1 + np.abs(truth.offsets)
    sizes = (mine**2).sum(axis=1)[:, None] + (theirs**2).sum(axis=1)
    straight = sizes - 2 * mine @ theirs.T + ((ours.offsets[:, None] - truth.offsets) / scale) ** 2
    round_ = sizes + 2 * mine @ theirs.T + ((ours.offsets[:, None] + truth.offsets) / scale) ** 2
    round_ += _TURNED
    rows, columns = linear_sum_assignment(np.minimum(straight, round_))
    return rows, columns, (round_ < straight)[rows, columns]


def alive(filters: Array, offsets: Array, never_negative: bool) -> Mask:
    """Which units may be on, given maps that may be negative or not."""
    if not never_negative:
        return np.ones(len(offsets), bool)
    return ever_active(filters.reshape(len(filters), -1), offsets)


def units_alive(network: ImageNetwork) -> int | None:
    """Return how many units of a network may be on; None where not all layers are known."""
    if network.ended:
        return None
    count, never_negative, live = 0, False, None
    for layer in network.hidden:
        filters = layer.weighted.filters if live is None else layer.weighted.filters[:, live]
        live = alive(filters, layer.weighted.offsets, never_negative)
        never_negative = layer.behind[0].name == "ReLU"
        count += int(live.sum()) * int(np.prod(layer.weighted.maps[1:]))
    return count


def doubled(rows: Rows, tolerance: float) -> list[int]:
    """Return the numbers of units that are another one in another scale, this one's too."""
    flat = np.column_stack([rows.weights.reshape(len(rows.numbers), -1), rows.offsets])
    near = cdist(flat, flat) <= tolerance
    return [int(number) for number in rows.numbers[near.sum(axis=1) > 1]]
