"""The terms of an additive function on grids, centred by the data, pairs without what single columns explain.

A term is read from the function itself: h_j(v) = F(r with x_j = v) - F(r) at any row r, and
h_jk(v, w) = F(r; v, w) - F(r; v) - F(r; w) + F(r), which is exact for a sum of such terms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array
from divulge.datasets.columns import Column

GRID, PAIR_GRID = 64, 32
ROUNDS = 50  # of taking rows' and columns' means out of a pair's table

Function = Callable[[Array], Array]


@dataclass(frozen=True)
class Pair:
    """The term of two columns.

    Attributes:
        columns: their places.
        left: numbers (a,) of the first.
        right: numbers (b,) of the second.
        effects: shape (a, b).
    """

    columns: tuple[int, int]
    left: Array
    right: Array
    effects: Array

    def at(self, x: Array) -> Array:
        """Return the effect (n,) at rows (n, d), linear between the grid's numbers."""
        rows, columns = (_shares(x[:, j], g) for j, g in zip(self.columns, self.grids, strict=True))
        return np.asarray(np.einsum("na,ab,nb->n", rows, self.effects, columns))

    @property
    def grids(self) -> tuple[Array, Array]:
        """Both columns' numbers."""
        return self.left, self.right


@dataclass(frozen=True)
class Terms:
    """An additive function: base + sum of mains + sum of pairs.

    Attributes:
        base: the mean over the data.
        grids: a column's numbers (g,), one array for each column.
        mains: the effects (g,) there.
        pairs: the terms of two columns.
    """

    base: float
    grids: tuple[Array, ...]
    mains: tuple[Array, ...]
    pairs: tuple[Pair, ...] = ()

    def main(self, place: int, entries: Array) -> Array:
        """Return a column's effect (n,) at entries (n,), straight on beyond the grid."""
        grid, effects = self.grids[place], self.mains[place]
        found = np.interp(entries, grid, effects)
        if len(grid) < 2:
            return np.asarray(found)
        slopes = np.diff(effects) / np.diff(grid)
        below, above = np.minimum(entries - grid[0], 0), np.maximum(entries - grid[-1], 0)
        return np.asarray(found + slopes[0] * below + slopes[-1] * above)

    def parts(self, x: Array) -> Array:
        """Return the terms' effects at rows (n, d), shape (n, d + pairs)."""
        mains = [self.main(j, x[:, j]) for j in range(len(self.grids))]
        return np.column_stack([*mains, *(pair.at(x) for pair in self.pairs)])

    def __call__(self, x: Array) -> Array:
        """Return base and all terms added, shape (n,)."""
        return np.asarray(self.base + self.parts(x).sum(axis=1))


def grids_of(x: Array, columns: Sequence[Column], most: int = GRID) -> tuple[Array, ...]:
    """Return the numbers at which each column is looked at: its entries, or quantiles and even steps."""
    return tuple(_grid(x[:, j], column, most) for j, column in enumerate(columns))


def read_terms(
    function: Function,
    x: Array,
    grids: Sequence[Array],
    pairs: Sequence[tuple[int, int]],
    columns: Sequence[Column],
) -> Terms:
    """Read the terms of an additive function off, centred by rows (n, d)."""
    reference = np.median(x, axis=0)
    for j, grid in enumerate(grids):  # a number that stands for an entry
        reference[j] = grid[np.abs(grid - reference[j]).argmin()]
    base = float(function(reference[None])[0])
    mains = _along(function, reference, grids, base)
    centres = [float(np.interp(x[:, j], grids[j], main).mean()) for j, main in enumerate(mains)]
    mains = [main - centre for main, centre in zip(mains, centres, strict=True)]
    base += sum(centres)
    made = []
    for j, k in pairs:
        pair, left, right, mean = _pure(_anchored(function, x, reference, (j, k), columns), x)
        made.append(pair)
        mains[j] = mains[j] + np.interp(grids[j], pair.left, left)
        mains[k] = mains[k] + np.interp(grids[k], pair.right, right)
        base += mean
    return _centred(Terms(base, tuple(grids), tuple(mains), tuple(made)), x)


def _centred(terms: Terms, x: Array) -> Terms:
    """The same with every main effect's mean over rows in the base."""
    means = [float(terms.main(j, x[:, j]).mean()) for j in range(len(terms.grids))]
    mains = tuple(main - mean for main, mean in zip(terms.mains, means, strict=True))
    return Terms(terms.base + sum(means), terms.grids, mains, terms.pairs)


def _along(function: Function, reference: Array, grids: Sequence[Array], base: float) -> list[Array]:
    """Each column's effects, all rows asked at once."""
    rows = np.repeat(reference[None], sum(map(len, grids)), axis=0)
    ends = np.cumsum([len(grid) for grid in grids])
    for j, (grid, end) in enumerate(zip(grids, ends, strict=True)):
        rows[end - len(grid) : end, j] = grid
    return list(np.split(function(rows) - base, ends[:-1]))


def _anchored(
    function: Function, x: Array, reference: Array, places: tuple[int, int], columns: Sequence[Column]
) -> Pair:
    """A pair's term that is 0 where either column is the reference's."""
    left, right = (_grid(x[:, j], columns[j], PAIR_GRID) for j in places)
    rows = np.repeat(reference[None], len(left) * len(right), axis=0)
    rows[:, places[0]] = np.repeat(left, len(right))
    rows[:, places[1]] = np.tile(right, len(left))
    both = function(rows).reshape(len(left), len(right))
    base = float(function(reference[None])[0])
    alone = _along(function, reference, _placed(places, (left, right), len(reference)), base)
    return Pair(places, left, right, both - alone[places[0]][:, None] - alone[places[1]][None, :] - base)


def _placed(places: tuple[int, int], grids: tuple[Array, Array], count: int) -> list[Array]:
    """Grids for all columns, empty but for two."""
    every = [np.zeros(0)] * count
    every[places[0]], every[places[1]] = grids
    return every


def _pure(pair: Pair, x: Array) -> tuple[Pair, Array, Array, float]:
    """Move what single columns explain out of a pair's table: (pair, left (a,), right (b,), mean).

    Source:
        B. Lengerich, S. Tan, C.-H. Chang, G. Hooker, R. Caruana, "Purifying Interaction Effects with the
        Functional ANOVA", 2020, arXiv 1911.04974.
    """
    j, k = pair.columns
    weights = _shares(x[:, j], pair.left).T @ _shares(x[:, k], pair.right)
    weights = weights / weights.sum() + 1e-12
    table, left, right = pair.effects.copy(), np.zeros(len(pair.left)), np.zeros(len(pair.right))
    for _ in range(ROUNDS):
        rows = (weights * table).sum(axis=1) / weights.sum(axis=1)
        table, left = table - rows[:, None], left + rows
        columns = (weights * table).sum(axis=0) / weights.sum(axis=0)
        table, right = table - columns[None, :], right + columns
    mean = float(weights.sum(axis=1) @ left + weights.sum(axis=0) @ right)
    left = left - weights.sum(axis=1) @ left
    right = right - weights.sum(axis=0) @ right
    return Pair(pair.columns, pair.left, pair.right, table), left, right, mean


def _shares(entries: Array, grid: Array) -> Array:
    """How much each grid point (g,) counts for an entry (n,) between two, shape (n, g)."""
    shares = np.zeros((len(entries), len(grid)))
    rows = np.arange(len(entries))
    if len(grid) == 1:
        shares[:] = 1.0
        return shares
    upper = np.clip(np.searchsorted(grid, entries), 1, len(grid) - 1)
    share = np.clip((entries - grid[upper - 1]) / (grid[upper] - grid[upper - 1]), 0, 1)
    shares[rows, upper] = share
    shares[rows, upper - 1] = 1 - share
    return shares


def _grid(entries: Array, column: Column, most: int) -> Array:
    """A column's numbers: all of words and of few, else quantiles and even steps between."""
    values = np.unique(entries)
    if column.categories or len(values) <= most:
        return values
    even = np.linspace(values[0], values[-1], most // 2)
    if column.kind == "integer":
        even = np.rint(even)
    quantiles = np.quantile(entries, np.linspace(0, 1, most - most // 2), method="nearest")
    return np.unique(np.concatenate([even, quantiles]))
