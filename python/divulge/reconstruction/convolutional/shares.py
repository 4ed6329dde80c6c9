"""What weights of the last layer's units, and of the features before it, tell of its sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.reconstruction.convolutional.equations import Solution, layer_matrix
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.settings import CONV_LAST, TINY


@dataclass(frozen=True)
class Shares:
    """What is told of the sides of channels.

    Attributes:
        shares: kappa of each, shape (c,).
        told: of which it is told, shape (c,).
        left: of beta, when these are taken off.
        residual: of the answers.
        remainder: what is left of beta, shape (features,).
    """

    shares: Array
    told: NDArray[np.bool_]
    left: float
    residual: float
    remainder: Array


def shares_of(prefix: Prefix, layer: ConvLayer, found: Solution, on: NDArray[np.bool_]) -> Shares:
    """Return kappa of every channel, and what is left of beta; units that never switch are free in it.

    Args:
        prefix: the known layers.
        layer: the last one.
        found: w and beta.
        on: which units are on at the answers, shape (n, units).
    """
    shape = prefix.map_shape(len(prefix.layers) - 1)
    before = int(np.prod(shape))
    seen = found.seen[:before]
    slopes = layer_matrix(layer, shape)  # (units, features + 1): z of each unit
    made_up = found.seen[before:] & ~found.needed[before:-1]
    constant = on.all(axis=0) | ~on.any(axis=0) | made_up
    constant &= np.any(slopes[:, :-1][:, seen] != 0, axis=1)
    constant &= ~layer.ended.repeat(len(slopes) // len(layer))  # units that are cut off leave nothing in beta
    beta, weights = found.weights[:before, 0], found.weights[before:-1, 0]
    moved = (np.where(constant, 0.0, weights)[:, None] * slopes).reshape(len(layer), -1, slopes.shape[1])
    moved = moved.sum(axis=1)
    size = max(float(np.linalg.norm(moved[:, :-1][:, seen], axis=1).max()), TINY)
    columns = np.concatenate([np.where(layer.ended[:, None], 0.0, moved), slopes[constant]]).T[:-1]
    wanted = beta + weights[constant] @ slopes[constant, :-1]
    columns, wanted = columns[seen], wanted[seen]
    sizes = np.maximum(np.linalg.norm(columns, axis=0), TINY)
    shares, _, rank, _ = np.linalg.lstsq(columns / sizes, wanted, rcond=CONV_LAST.null)
    rest = wanted - columns / sizes @ shares
    left = np.linalg.norm(rest) / max(float(sizes.max()), size)
    remainder = np.zeros(len(seen))
    remainder[seen] = rest
    wide = columns.shape[1] > columns.shape[0]
    _, _, basis = np.linalg.svd(columns / sizes, full_matrices=wide)
    idle = basis[rank:]
    told = np.abs(idle[:, : len(layer)]).max(axis=0, initial=0.0) <= CONV_LAST.leak
    told &= (sizes[: len(layer)] > CONV_LAST.faint * sizes.max()) & found.needed[:before][seen].all()
    kappa = np.where(layer.ended, 0.0, shares[: len(layer)] / sizes[: len(layer)])
    return Shares(kappa, told | layer.ended, float(left), found.residual, remainder)


def sides_of(shares: Array) -> tuple[Array, float, float]:
    """Return signs and slope that kappa (c,) tells, and how far it is from that of any sides."""
    slope = slope_of(shares)
    signs = np.where(shares > -0.5, 1.0, -1.0)
    expected = np.where(signs > 0, slope / (1 - slope), -1 / (1 - slope))
    return signs, slope, float(np.abs(shares - expected).max())


def slope_of(shares: Array) -> float:
    """Return the slope a of a leaky unit: kappa is a / (1 - a) turned up, -1 / (1 - a) turned down."""
    up, down = shares[shares > -0.5], shares[shares <= -0.5]
    slopes = np.concatenate([up / (1 + up), 1 + 1 / down])
    slope = float(np.median(slopes)) if len(slopes) else 0.0
    return slope if abs(slope) > CONV_LAST.leak else 0.0
