"""What published explanations give away: how far a copy made of nothing else agrees with the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist

from divulge.arrays import Array, Index
from divulge.datasets.columns import Column
from divulge.explanations.local_models import LocalModels, share_of_variance
from divulge.explanations.terms import Pair, Terms

if TYPE_CHECKING:
    import pandas as pd

    from divulge.explanations.tree import Level

PER_COLUMN = (2, 3, 5, 9, 17, 33, 64)  # numbers of a column's shape that are told
MOST_GROUPS = 64


def shapes_leak(
    terms: Terms, x: Array, values: Array, threshold: float, columns: Sequence[Column]
) -> pd.DataFrame:
    """Return the leak curve of an additive explanation's shapes.

    The copy is the sum of the shapes, straight between the numbers told; words are told one by one. No query
    is asked.

    Args:
        terms: the shapes.
        x: rows to compare on, shape (m, d).
        values: of the model there, shape (m,).
        threshold: above which the class is named; NaN: none is, and the agreement is NaN.
        columns: of the table.

    Returns:
        A row for each number of places a column: numbers (told in all), agreement, fidelity.
    """
    rows = []
    for most in PER_COLUMN:
        told = [np.inf if column.categories else most for column in columns]
        kept = [_some(len(grid), count) for grid, count in zip(terms.grids, told, strict=True)]
        pairs = tuple(_coarse(pair, told) for pair in terms.pairs)
        copy = Terms(
            terms.base,
            tuple(grid[at] for grid, at in zip(terms.grids, kept, strict=True)),
            tuple(main[at] for main, at in zip(terms.mains, kept, strict=True)),
            pairs,
        )
        numbers = 1 + sum(len(at) for at in kept) + sum(pair.effects.size for pair in pairs)
        rows.append(_row(numbers, values, copy(x), threshold))
    return _curve(rows)


def nodes_leak(
    local: LocalModels, levels: tuple[Level, ...], x: Array, values: Array, threshold: float
) -> pd.DataFrame:
    """Return the leak curve of a tree's nodes: of each level's explanations with the mean row of each group.

    The copy takes each row's explanation from the group with the nearest mean, columns in units of their
    deviations.

    Args:
        local: the rows explained.
        levels: of the tree.
        x: unseen rows, shape (m, d).
        values: of the model there, shape (m,).
        threshold: above which the class is named.

    Returns:
        A row for each level of at most 64 groups: numbers (told in all), agreement, fidelity.
    """
    spread = local.x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    rows = []
    for level in reversed(levels):
        if level.count > MOST_GROUPS:
            break
        means = np.zeros((level.count, local.x.shape[1]))
        np.add.at(means, level.groups, local.x)
        means /= level.pooled.sizes[:, None]
        groups = cdist(x / spread, means / spread).argmin(axis=1)
        numbers = level.count * (2 * local.x.shape[1] + 1)
        rows.append(_row(numbers, values, local.predictions(level.pooled, groups, x), threshold))
    return _curve(rows)


def _row(numbers: int, values: Array, told: Array, threshold: float) -> tuple[int, float, float]:
    agreement = float(((told > threshold) == (values > threshold)).mean())
    agreement = np.nan if np.isnan(threshold) else agreement
    return numbers, agreement, share_of_variance(values, told)


def _curve(rows: list[tuple[int, float, float]]) -> pd.DataFrame:
    """Rows as a table, one for each number of numbers."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=["numbers", "agreement", "fidelity"])
    return frame.drop_duplicates("numbers", ignore_index=True)


def _some(count: int, most: float) -> Index:
    """So many places of a grid, evenly, both ends among them."""
    return np.asarray(np.unique(np.linspace(0, count - 1, int(min(count, most))).round()), np.intp)


def _coarse(pair: Pair, most: Sequence[float]) -> Pair:
    """A pair's table at so many places of each of the table's columns."""
    left, right = (_some(len(grid), most[j]) for grid, j in zip(pair.grids, pair.columns, strict=True))
    return Pair(pair.columns, pair.left[left], pair.right[right], pair.effects[np.ix_(left, right)])
