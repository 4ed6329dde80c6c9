"""Columns as splines whose ridge penalty is that of P-splines; words as indicators; pairs as products."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from divulge.arrays import Array
from divulge.datasets.columns import Column

MOST_KNOTS, LEAST_KNOTS, PAIR_KNOTS = 20, 4, 6
FEW = 10  # distinct whole numbers that are taken one by one
FREE = 100.0  # how much larger a column is made that the penalty should leave alone
INDICATOR = 10.0  # likewise, of one that says which entry it is

Part = Callable[[Array], Array]  # a column's numbers (n,) as a matrix (n, p)


class Basis:
    """Rows (n, d) as a matrix (n, p) in which additive functions are linear.

    Args:
        x: the rows that knots are placed by, shape (n, d).
        columns: d of them.
        pairs: places (j, k) whose products are there too.
    """

    def __init__(self, x: Array, columns: Sequence[Column], pairs: Sequence[tuple[int, int]] = ()) -> None:
        knots = int(np.clip(len(x) // (6 * max(1, len(columns))), LEAST_KNOTS, MOST_KNOTS))
        self.pairs = tuple(pairs)
        self._mains = [_part(x[:, j], column, knots) for j, column in enumerate(columns)]
        used = {place for pair in pairs for place in pair}
        self._small = {j: _plain_part(x[:, j], columns[j], PAIR_KNOTS) for j in used}

    def __call__(self, x: Array) -> Array:
        """Return the matrix (n, p) of rows (n, d)."""
        blocks = [part(x[:, j]) for j, part in enumerate(self._mains)]
        for j, k in self.pairs:
            left, right = self._small[j](x[:, j]), self._small[k](x[:, k])
            blocks.append((left[:, :, None] * right[:, None, :]).reshape(len(x), -1))
        return np.concatenate(blocks, axis=1)


def _part(entries: Array, column: Column, knots: int) -> Part:
    """One column's part of the basis."""
    values = np.unique(entries)
    if len(values) < 2:
        return lambda v: np.zeros((len(v), 0))
    if column.categories or (column.kind == "integer" and len(values) <= FEW):
        return _indicators(values)
    splines = _splines(entries, knots)
    turn = _penalty_to_ridge(splines(values[:1]).shape[1])
    return lambda v: splines(v) @ turn


def _plain_part(entries: Array, column: Column, knots: int) -> Part:
    """One column's part of a product: splines as they are."""
    values = np.unique(entries)
    if len(values) < 2:
        return lambda v: np.ones((len(v), 1))
    if column.categories or len(values) <= knots:
        return _indicators(values)
    return _splines(entries, knots)


def _indicators(values: Array) -> Part:
    """Which of the known values an entry is: the nearest."""
    middles = (values[1:] + values[:-1]) / 2

    def part(v: Array) -> Array:
        return np.asarray(INDICATOR * np.eye(len(values))[np.searchsorted(middles, v, side="right")])

    return part


def _splines(entries: Array, knots: int) -> Part:
    """Cubic B-splines with knots at quantiles and at even distances, straight beyond the outermost."""
    from sklearn.preprocessing import SplineTransformer

    low, high = float(entries.min()), float(entries.max())
    places = _knots((entries - low) / (high - low), knots)
    transformer = SplineTransformer(knots=places[:, None], degree=3, extrapolation="linear")
    transformer.fit(places[:, None])

    def part(v: Array) -> Array:
        return np.asarray(transformer.transform(((v - low) / (high - low))[:, None]))

    return part


def _knots(entries: Array, knots: int) -> Array:
    """Places in [0, 1] for entries there: so many quantiles, and even ones where these are far apart."""
    quantiles = np.unique(np.quantile(entries, np.linspace(0, 1, knots)))
    even = np.linspace(0, 1, knots + 1)
    apart = np.abs(even[:, None] - quantiles[None, :]).min(axis=1) > 0.5 / knots
    return np.unique(np.concatenate([quantiles, even[apart]]))


def _penalty_to_ridge(count: int) -> Array:
    """Return T (m, m - 1): with coefficients T u, |u|^2 is the sum of squared second differences.

    The one of a straight line is as good as free; the constant is left out.
    """
    differences = np.diff(np.eye(count), 2, axis=0)
    _, sizes, directions = np.linalg.svd(differences)
    line = np.arange(count) - (count - 1) / 2
    bent = directions[: count - 2].T / sizes
    return np.column_stack([FREE * line / count, bent])
