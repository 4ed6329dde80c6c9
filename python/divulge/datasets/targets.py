"""What a column of targets holds: classes of any type, or the numbers that a regression predicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.datasets.columns import KINDS, in_order, plain

MOST_CLASSES = 1000
# Numbers are no classes where there are more different ones than this, and fewer than three rows for each.
FEW_CLASSES, ROWS_OF_A_CLASS = 20, 3


def read_targets(targets: Any, where: str, kind: str | None = None) -> tuple[Index | Array, tuple[Any, ...]]:
    """Return the numbers (n,) of classes and their names in order, or numbers as float64 and no names.

    Args:
        targets: shape (n,).
        where: what they are called.
        kind: "numeric" for numbers, another kind of column for classes; None: told by the entries.

    Raises:
        ValueError: they are no list, there are none, one is missing, there is but one class or number, there
            is no such kind, or words where numbers are expected.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"expected a kind of {where} of {', '.join(KINDS)}, got {kind!r}")
    series = _listed(targets, where)
    number = series.dtype.kind in "iuf"
    if kind == "numeric" and not number:
        raise ValueError(f"expected numbers in {where}, got {plain(series.iloc[0])!r}")
    if kind == "numeric" or (kind is None and number and _no_classes(series.to_numpy())):
        numbers = series.to_numpy(np.float64, copy=True)
        bad = np.flatnonzero(~np.isfinite(numbers))
        if len(bad):
            raise ValueError(f"expected finite numbers in {where}, row {bad[0]} has {numbers[bad[0]]}")
        if (numbers == numbers[0]).all():
            raise ValueError(f"expected different numbers in {where}, all are {numbers[0]:g}")
        return numbers, ()
    names = in_order(series.unique())
    if len(names) < 2:
        raise ValueError(f"expected two classes or more in {where}, all are {names[0]!r}")
    if len(names) > MOST_CLASSES:
        raise ValueError(f"expected classes in {where}, got {len(names)} different values of {len(series)}")
    codes = {value: code for code, value in enumerate(names)}
    return np.array([codes[plain(value)] for value in series], np.intp), names


def _listed(targets: Any, where: str) -> Any:
    """Return targets as a pandas Series without gaps."""
    import pandas as pd

    if np.ndim(targets) != 1:
        raise ValueError(f"expected one class a row in {where}, got an array of shape {np.shape(targets)}")
    if not len(targets):
        raise ValueError(f"there are no rows: {where} is empty")
    series = pd.Series(np.asarray(targets) if not isinstance(targets, pd.Series) else targets.to_numpy())
    missing = np.flatnonzero(np.asarray(series.isna()))
    if len(missing):
        raise ValueError(f"{where} names no class (NaN) in row {missing[0]}, {len(missing)} in all")
    return series


def _no_classes(numbers: Array) -> bool:
    """Whether numbers (n,) differ too much to be the names of classes."""
    names = np.unique(numbers)
    parts = numbers.dtype.kind == "f" and not (names == np.floor(names)).all()
    many = len(names) > max(FEW_CLASSES, len(numbers) // ROWS_OF_A_CLASS)
    return len(names) > MOST_CLASSES or many or (parts and len(names) > len(numbers) // 2)
