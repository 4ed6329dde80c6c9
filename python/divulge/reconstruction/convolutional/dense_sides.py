"""Active sides of a dense layer's units: behind it another one, or the outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.convolutional.dense_layer import DenseLayer
from divulge.reconstruction.convolutional.feature_sides import weights_of
from divulge.reconstruction.convolutional.pulled_back import Piece
from divulge.reconstruction.convolutional.shares import sides_of
from divulge.reconstruction.settings import CONV_DENSE, TINY


@dataclass(frozen=True)
class DenseSides:
    """What was read.

    Attributes:
        signs: of the rows, shape (units,).
        slope: of leaky units.
    """

    signs: Array
    slope: float


def sides_of_last(search: DenseLayer) -> DenseSides | None:
    """Return the sides of the last dense layer, behind which every unit has one weight; else None.

    c = beta + sum_j [z_j > 0] w_j r_j; turned over, w max(-z, 0) = w max(z, 0) - w z, -w r is in beta.
    """
    weights = steady_jumps(search)
    if weights is None or not len(weights):
        return None
    rows = np.stack([row.weights for row in search.found.rows])
    known = np.stack([row.known for row in search.found.rows])[:, :-1].all(axis=0)
    beta = steady_rest(search.pieces, rows, weights)
    told = ~np.isnan(beta) & known
    columns = (weights[:, None] * rows[:, :-1]).T[told]
    sizes = np.linalg.norm(columns, axis=0)
    if len(columns) < len(weights) or not sizes.all():
        return None
    shares = np.linalg.lstsq(columns / sizes, beta[told], rcond=None)[0]
    left = np.linalg.norm(beta[told] - columns / sizes @ shares) / sizes.max()
    signs, slope, off = sides_of(shares / sizes)
    return DenseSides(signs, slope) if max(float(left), off) <= CONV_DENSE.steady else None


def steady_jumps(search: DenseLayer) -> Array | None:
    """The weight of every unit, shape (units,), None where one's differs from place to place."""
    found = []
    for row in search.found.rows:
        if not row.jumps:
            return None
        weight = float(np.median(row.jumps))
        near = np.abs(np.array(row.jumps) - weight) <= CONV_DENSE.steady * abs(weight)
        if near.mean() < CONV_DENSE.share:
            return None
        found.append(weight)
    return np.array(found)


def steady_rest(pieces: list[Piece], rows: Array, weights: Array) -> Array:
    """What units leave of the slopes, shape (q,), where it is the same at many pieces; NaN elsewhere.

    Args:
        pieces: at which features are on.
        rows: of units, the offset last, shape (units, q + 1).
        weights: shape (units,).
    """
    points = np.column_stack([np.stack([piece.features for piece in pieces]), np.ones(len(pieces))])
    made = ((points @ rows.T > 0) * weights) @ rows[:, :-1]
    slopes = np.stack([piece.slopes for piece in pieces])
    rest = np.where(points[:, :-1] != 0, slopes - made, np.nan)
    agreed = agreeing(rest, CONV_DENSE.steady * float(np.abs(slopes).max()))
    beta = np.full(rest.shape[1], np.nan)
    if agreed.mean() < CONV_DENSE.clear:
        return beta
    seen = ~np.isnan(rest[agreed]).all(axis=0)
    beta[seen] = np.nanmedian(rest[agreed][:, seen], axis=0)
    return beta


def agreeing(rest: Array, tolerance: float) -> Mask:
    """Which rows (n, q) agree with one of them in all they both have, that with which most do, shape (n,).

    At the others a unit that is missing is on, which changes every entry.
    """
    best, told = np.zeros(len(rest), bool), (~np.isnan(rest)).astype(np.float64)
    for row in range(0, len(rest), max(1, len(rest) // CONV_DENSE.pieces)):
        gaps = np.abs(rest - rest[row])
        near = np.fmax.reduce(gaps, axis=1, initial=0.0) <= tolerance
        near &= told @ told[row] >= CONV_DENSE.overlap
        best = near if near.sum() > best.sum() else best
    return np.asarray(best)


def sides_of_inner(search: DenseLayer) -> DenseSides | None:
    """Return the sides of a dense layer with another one behind it: slopes are made of active rows alone."""
    if not search.found.rows:
        return None
    rows = np.stack([row.weights for row in search.found.rows])
    known = np.stack([row.known for row in search.found.rows]).all(axis=0)
    energy, explained = np.zeros((2, len(rows))), 0
    pieces = search.pieces[:: max(1, len(search.pieces) // CONV_DENSE.pieces)]
    for piece in pieces:
        used = np.append(piece.on, False) & known
        if used.sum() < len(rows) + CONV_DENSE.overlap:
            continue
        parts = weights_of(rows[:, used].T, piece.slopes[used[:-1]], search.walk.tolerances.alike)
        if parts is not None:
            explained += 1
            up = rows @ np.append(piece.features, 1.0) > 0
            energy += np.stack([np.where(up, parts, 0.0), np.where(up, 0.0, parts)]) ** 2
    larger, smaller = np.sqrt(energy.max(axis=0)), np.sqrt(energy.min(axis=0))
    if explained < CONV_DENSE.share * len(pieces) or larger.min() <= TINY:
        return None
    if (smaller > CONV_DENSE.faint * larger).any():
        return None
    return DenseSides(np.where(energy[0] >= energy[1], 1.0, -1.0), 0.0)
