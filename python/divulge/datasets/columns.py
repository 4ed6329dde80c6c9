"""What a column of a table holds, and how its entries become numbers and are read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.arrays import Array

if TYPE_CHECKING:
    import pandas as pd

MOST_WHOLE = 2.0**53  # up to which float64 tells whole numbers apart
KINDS = ("numeric", "integer", "binary", "categorical")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: its name; of a matrix without names its place.
        kind: "numeric", "integer", "binary" (two values) or "categorical".
        low: the least number that stands for an entry.
        high: the greatest.
        categories: the entries of a categorical or binary column, in order; entry i stands as the number i.
        dtype: in which the table held its entries.
        may_change: False for what a person cannot change, such as an age.
    """

    name: Any
    kind: str
    low: float
    high: float
    categories: tuple[Any, ...] = ()
    dtype: Any = "float64"
    may_change: bool = True

    def encode(self, entries: pd.Series) -> Array:
        """Return entries (n,) as numbers.

        Raises:
            ValueError: an entry is missing, infinite, or of a category that the column does not have.
        """
        check_present(self.name, entries)
        if not self.categories:
            return numbers(self.name, entries)
        codes = {category: code for code, category in enumerate(self.categories)}
        unseen = next((entry for entry in entries if entry not in codes), None)
        if unseen is not None:
            raise ValueError(
                f"column {self.name!r} holds {plain(unseen)!r}, which is none of its categories "
                f"{shown(self.categories)}"
            )
        return np.array([codes[entry] for entry in entries], np.float64)

    def snap(self, values: Array) -> Array:
        """Return the nearest numbers (n,) that stand for an entry."""
        within = np.clip(values, self.low, self.high)
        return within if self.kind == "numeric" else np.rint(within)

    def decode(self, values: Array) -> Any:
        """Return the entries (n,) nearest to numbers, an array of the table's own dtype.

        Whole numbers that it cannot hold are of int64.
        """
        if not self.categories:
            whole = np.rint(values) if self.kind == "integer" else values
            return np.asarray(whole, _holding(whole, self.dtype))
        codes = self.snap(values).astype(np.intp)
        entries = np.empty(len(self.categories), object)
        entries[:] = self.categories
        import pandas as pd

        return pd.Series(entries[codes], dtype=self.dtype).array


def column_of(name: Any, entries: pd.Series, kind: str | None = None) -> Column:
    """Return what a column holds, told from its entries (n,) unless its kind is given.

    Raises:
        ValueError: an entry is missing or infinite, all are the same, or they are no numbers, words or truth
            values.
    """
    check_present(name, entries)
    found = _kind(name, entries) if kind is None else kind
    if found not in KINDS:
        raise ValueError(f"expected column {name!r} to be {', '.join(KINDS)}, got {found!r}")
    distinct = entries.unique()
    if len(distinct) < 2:
        raise ValueError(f"column {name!r} is constant, all its entries are {plain(distinct[0])!r}: drop it")
    if found in ("binary", "categorical"):
        categories = in_order(distinct)
        if found == "binary" and len(categories) != 2:
            raise ValueError(f"expected two values in the binary column {name!r}, got {shown(categories)}")
        return Column(name, found, 0.0, len(categories) - 1.0, categories, entries.dtype)
    values = numbers(name, entries)
    if found == "integer" and (values != np.rint(values)).any():
        part = values[values != np.rint(values)][0]
        raise ValueError(f"expected whole numbers in the integer column {name!r}, got {part:g}")
    return Column(name, found, float(values.min()), float(values.max()), (), entries.dtype)


def _holding(values: Array, dtype: Any) -> np.dtype[Any]:
    """NumPy's type of a table's, or a wider one where numbers lie outside of it."""
    held: np.dtype[Any] = np.dtype(getattr(dtype, "numpy_dtype", dtype))  # pandas' own Int64 holds int64
    if held.kind not in "iu" or not len(values):
        return held
    limits = np.iinfo(held)
    fits = limits.min <= values.min() and values.max() <= limits.max
    return held if fits else np.dtype(np.int64)


def numbers(name: Any, entries: pd.Series) -> Array:
    """Return entries as finite float64, shape (n,), or raise ValueError."""
    import pandas as pd

    try:
        values = np.asarray(entries, np.float64)
    except (TypeError, ValueError):
        found = next(entry for entry in entries if not isinstance(entry, int | float))
        raise ValueError(f"expected numbers in column {name!r}, got {plain(found)!r}") from None
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(f"column {name!r} holds {values[row]} in row {row}")
    if pd.api.types.is_integer_dtype(entries.dtype) and np.abs(values).max(initial=0.0) >= MOST_WHOLE:
        row = int(np.abs(values).argmax())
        raise ValueError(
            f"column {name!r} holds {entries.iloc[row]} in row {row}: float64 tells whole numbers apart up "
            "to 2^53 only; drop the column, or make it words"
        )
    return values


def check_present(name: Any, entries: pd.Series) -> None:
    """Raise ValueError where an entry is missing."""
    missing = np.flatnonzero(np.asarray(entries.isna()))
    if len(missing):
        raise ValueError(f"column {name!r} has no entry (NaN) in row {missing[0]}, {len(missing)} in all")


def in_order(entries: Any) -> tuple[Any, ...]:
    """Return distinct entries as Python values, sorted where they can be compared, else by their text."""
    values = [plain(entry) for entry in entries]
    try:
        return tuple(sorted(values))
    except TypeError:
        return tuple(sorted(values, key=str))


def plain(entry: Any) -> Any:
    """Return a NumPy scalar as Python's own."""
    return entry.item() if isinstance(entry, np.generic) else entry


def shown(values: tuple[Any, ...], most: int = 6) -> str:
    """Return the first few values as text."""
    text = ", ".join(repr(value) for value in values[:most])
    return text if len(values) <= most else f"{text} and {len(values) - most} more"


def _kind(name: Any, entries: pd.Series) -> str:
    """What a column's entries are."""
    from pandas.api import types

    kind = entries.dtype
    if types.is_bool_dtype(kind):
        return "binary"
    if types.is_integer_dtype(kind):
        return "binary" if set(entries.unique()) == {0, 1} else "integer"
    if types.is_float_dtype(kind):
        return "numeric"
    if isinstance(kind, types.CategoricalDtype) or all(isinstance(e, str | bool) for e in entries):
        return "categorical"
    found = next((e for e in entries if not isinstance(e, str | bool)), entries.iloc[0])
    raise ValueError(
        f"column {name!r} holds {type(found).__name__} ({kind}), expected numbers, words or truth values"
    )
