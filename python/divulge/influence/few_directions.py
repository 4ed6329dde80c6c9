"""The leading directions of stored gradients, found in passes over them, without their mean square."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from divulge.influence.operators import Array

__all__ = ["Directions", "leading"]

Floats = NDArray[np.float64]
# Directions beyond those asked for that subspace iteration takes for its basis: the error of an eigenvalue
# falls by (the first one left out / its own)^2 a pass.
_MORE = 8
# Passes over the rows at least and at most, and what the eigenvalues gain by one, of their sum, that is so
# little that they end between: of singular values that halve six are enough, of 1 / sqrt(k) 18 are, of equal
# ones, where other directions are nearly as good, 48.
_FEWEST, _MOST, _SETTLED = 6, 48, 1e-6


class Directions(NamedTuple):
    """The largest eigenvalues (r,) of M = (1/n) sum_i g_i g_i', their vectors (D, r), and mean(diag M)."""

    values: Floats
    vectors: Floats
    mean: float


def leading(
    read: Callable[[], Iterator[list[Array]]], rows: int, widths: list[int], count: int, seed: int
) -> list[Directions]:
    """Return each layer's Directions, the first r of the singular value decomposition of its rows.

    By subspace iteration from random directions (Halko, Martinsson & Tropp 2011); memory is that of D x r
    numbers for each layer, as in LoRIF (arXiv 2601.21929), not of D x D.

    Args:
        read: yields blocks of rows, (k, D) for each layer, from the beginning.
        rows: n.
        widths: D of each layer.
        count: r, or D where that is less.
        seed: of the directions.
    """
    rng = np.random.default_rng(seed)
    bases = [_basis(rng.standard_normal((width, min(width, count + _MORE)))) for width in widths]
    before = np.zeros(len(widths))
    for step in range(_MOST):
        products, traces = [np.zeros_like(basis) for basis in bases], np.zeros(len(widths))
        for block in read():
            for i, part in enumerate(block):
                products[i] += part.T @ (part @ bases[i])
                traces[i] += np.vdot(part, part)
        found = [
            _turned(basis, product / rows, count, float(trace) / rows / width)
            for basis, product, trace, width in zip(bases, products, traces, widths, strict=True)
        ]
        sums = np.array([one.values.sum() for one in found])
        if step >= _FEWEST - 1 and (sums - before <= _SETTLED * sums).all():
            break
        before, bases = sums, [_basis(product) for product in products]
    return found


def _turned(basis: Floats, product: Floats, count: int, mean: float) -> Directions:
    """Return the leading directions within a basis Q, given M Q."""
    values, turned = np.linalg.eigh(basis.T @ product)
    kept = slice(None, -1 - min(count, len(values)), -1)
    vectors = np.ascontiguousarray(basis @ turned[:, kept])
    return Directions(np.maximum(values[kept], 0), vectors, mean)


def _basis(columns: Floats) -> Floats:
    found: Floats = np.linalg.qr(columns)[0]
    return found
