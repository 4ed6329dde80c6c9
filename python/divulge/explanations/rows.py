"""The rows of a table with what its columns hold, from a data set, a DataFrame or a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.datasets import Dataset
from divulge.datasets.columns import Column, column_of, plain, shown
from divulge.points import as_matrix, check_finite, host_array

if TYPE_CHECKING:
    import pandas as pd

TEST_SHARE = 0.2  # of the rows of a table or matrix, which nothing is fitted on


@dataclass(frozen=True)
class Rows:
    """Rows to fit on and rows to measure on.

    Attributes:
        train: shape (n, d), one number for each column.
        test: shape (m, d).
        columns: d of them.
        targets: the test rows' classes (m,), or None where they are not known.
        classes: how many there are, 0 where that is not known.
    """

    train: Array
    test: Array
    columns: tuple[Column, ...]
    targets: Index | None = None
    classes: int = 0

    @property
    def names(self) -> list[Any]:
        """The columns' names."""
        return [column.name for column in self.columns]

    def place(self, name: Any) -> int:
        """Return the place of a column by its name.

        Raises:
            ValueError: there is none of that name.
        """
        if name not in self.names:
            raise ValueError(f"there is no column {name!r}, only {shown(tuple(self.names))}")
        return self.names.index(name)

    def points(self, given: Any) -> Array:
        """Return points as numbers (n, d): a DataFrame with these columns, or an array of numbers.

        Raises:
            ValueError: a column is missing, a word is none of its column's, or a number stands for none.
        """
        if hasattr(given, "iloc") and hasattr(given, "columns"):
            missing = next((name for name in self.names if name not in set(given.columns)), None)
            if missing is not None:
                raise ValueError(f"the points have no column {missing!r}, only {shown(tuple(given.columns))}")
            return np.column_stack([column.encode(given[column.name]) for column in self.columns])
        array = np.asarray(host_array(given))
        points = as_matrix(array.reshape(len(array), -1) if array.ndim > 2 else array, len(self.columns))
        check_finite(points)
        check_codes(points, self.columns)
        return points

    def frame(self, points: Array) -> pd.DataFrame:
        """Return points (n, d) as a table with words and whole numbers where the columns have them."""
        import pandas as pd

        made = {i: entries_of(column, points[:, i]) for i, column in enumerate(self.columns)}
        return pd.DataFrame(made).set_axis(pd.Index(self.names, dtype=object), axis=1)


def entries_of(column: Column, values: Array) -> Any:
    """Return a column's entries (n,) for numbers; as they are where the table's dtype would change them."""
    found = column.decode(values)
    same = bool(column.categories) or np.array_equal(np.asarray(found, np.float64), values)
    return found if same else values


def check_codes(points: Array, columns: Sequence[Column]) -> None:
    """Raise ValueError where a number of points (n, d) stands for no entry of a column with categories."""
    for place, column in enumerate(columns):
        if not column.categories:
            continue
        entries, last = points[:, place], len(column.categories) - 1
        wrong = np.flatnonzero((entries != np.rint(entries)) | (entries < 0) | (entries > last))
        if len(wrong):
            raise ValueError(
                f"row {wrong[0]} holds {entries[wrong[0]]:g} in the {column.kind} column {column.name!r}, "
                f"whose entries are the numbers 0 to {last}: {shown(column.categories)}"
            )


def as_rows(
    data: Any,
    *,
    kinds: Mapping[Any, str] | None = None,
    fixed: Sequence[Any] = (),
    ranges: Mapping[Any, tuple[float, float]] | None = None,
    seed: int | None = 0,
) -> Rows:
    """Return the rows of data, with a fifth of them kept for measuring unless a data set says which.

    Args:
        data: a data set, a DataFrame of inputs alone, or an array or tensor (n, d).
        kinds: "numeric", "integer", "binary" or "categorical" for columns by name (of a matrix by place).
        fixed: columns that may not change.
        ranges: (low, high) of columns by name.
        seed: of the split; None: all rows are there to fit on and to measure on.

    Raises:
        ValueError: fewer than four rows, an entry is missing or infinite, or there is no such column.
        TypeError: the data are no numbers.
    """
    rows = _of_dataset(data) if isinstance(data, Dataset) else _of_table(data, kinds or {}, seed)
    for name in (*(kinds or {}), *fixed, *(ranges or {})):
        rows.place(name)
    columns = [_limited(column, fixed, ranges or {}) for column in rows.columns]
    return replace(rows, columns=tuple(columns))


def _limited(column: Column, fixed: Sequence[Any], ranges: Mapping[Any, tuple[float, float]]) -> Column:
    """A column with its range and whether it may change."""
    low, high = map(float, ranges.get(column.name, (column.low, column.high)))
    if not (low <= high and np.isfinite([low, high]).all()):
        raise ValueError(
            f"expected a finite range low, high of column {column.name!r}, got {low:g}, {high:g}"
        )
    if column.categories and (low, high) != (0.0, len(column.categories) - 1.0):
        raise ValueError(
            f"expected ranges of columns of numbers, got one of {column.name!r}, which holds words"
        )
    may_change = column.may_change and not any(plain(name) == column.name for name in fixed)
    return replace(column, low=low, high=high, may_change=may_change)


def _of_dataset(data: Dataset) -> Rows:
    """The rows of a data set, images among them."""
    train, test = (
        np.asarray(host_array(part.flatten(1)), np.float64) for part in (data.train_inputs, data.test_inputs)
    )
    _check_enough(train)
    for part in (train, test):
        check_finite(part)
    columns = data.columns or tuple(
        Column(i, "numeric", float(low), float(high))
        for i, (low, high) in enumerate(zip(train.min(axis=0), train.max(axis=0), strict=True))
    )
    return Rows(train, test, columns, data.test_targets.numpy().astype(np.intp), data.classes)


def _of_table(data: Any, kinds: Mapping[Any, str], seed: int | None) -> Rows:
    """The rows of a DataFrame or a matrix, split."""
    import pandas as pd

    frame = data
    if not (hasattr(data, "iloc") and hasattr(data, "columns")):
        array = np.asarray(host_array(data))
        if array.dtype.kind not in "buif":
            raise TypeError(f"expected data that are real numbers or a DataFrame, got dtype {array.dtype}")
        if array.ndim != 2 or not array.shape[1]:
            raise ValueError(f"expected data of shape (n, d), got {array.shape}")
        frame = pd.DataFrame(array)
    _check_enough(frame)
    doubled = frame.columns[frame.columns.duplicated()]
    if len(doubled):
        raise ValueError(f"column {doubled[0]!r} is there twice")
    columns = tuple(_column(plain(name), frame[name], kinds.get(name)) for name in frame.columns)
    matrix = np.column_stack([column.encode(frame[column.name]) for column in columns])
    if seed is None:
        return Rows(matrix, matrix, columns)
    order = np.random.default_rng([seed, 1]).permutation(len(matrix))
    held = max(1, round(TEST_SHARE * len(matrix)))
    return Rows(matrix[np.sort(order[held:])], matrix[np.sort(order[:held])], columns)


def _column(name: Any, entries: pd.Series, kind: str | None) -> Column:
    """What a column holds; one whose entries are all the same cannot change."""
    if entries.isna().any() or entries.nunique() > 1:
        return column_of(name, entries, kind)
    value = plain(entries.iloc[0])
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and kind in (None, "numeric", "integer")
    ):
        number = float(value)
        if not np.isfinite(number):
            raise ValueError(f"column {name!r} holds {number} in row 0")
        return Column(name, "numeric", number, number, (), entries.dtype, may_change=False)
    return Column(name, "categorical", 0.0, 0.0, (value,), entries.dtype, may_change=False)


def _check_enough(rows: Any) -> None:
    if len(rows) < 4:
        raise ValueError(f"expected at least four rows, to fit and to measure on, got {len(rows)}")
