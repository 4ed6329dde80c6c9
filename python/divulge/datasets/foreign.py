"""torch's data sets and loaders as arrays, or as a table where they yield dicts of single entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data import Dataset as TorchDataset

from divulge.datasets.columns import plain, shown
from divulge.points import host_array

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 10_000_000  # of what tells no length: more are taken for a stream without an end


def is_foreign(source: Any) -> bool:
    """Whether it is a data set or loader of torch."""
    return isinstance(source, TorchDataset | DataLoader)


def of_torch(source: Any, target: Any = None) -> tuple[NDArray[Any], NDArray[Any]] | pd.DataFrame:
    """Return inputs (n, ...) and targets (n,) of a torch Dataset or DataLoader, in its order, or a table.

    A table is what dicts of single numbers or words make: a column for each entry. Dicts of one input of any
    shape and the target make inputs and targets. An iterable data set is read to its end.

    Args:
        source: yields pairs (input, target) or dicts.
        target: the entry of the dicts that holds the class.

    Raises:
        ValueError: it holds nothing, over 10 million rows of no known number, neither pairs nor dicts, inputs
            of several shapes, or dicts without the target or with more than one input that is no single
            entry.
        TypeError: it neither has a length nor is iterable.
    """
    batched = isinstance(source, DataLoader) and source.batch_sampler is not None
    items = _items(source, batched)
    if not items:
        raise ValueError("the data set holds nothing")
    join = np.concatenate if batched else np.stack
    if isinstance(items[0], Mapping):
        return _of_dicts(items, target, join)
    inputs, targets = zip(*map(_pair, items), strict=True)
    return _joined(inputs, join, "inputs"), _joined(targets, join, "targets")


def _items(source: Any, batched: bool) -> list[Any]:
    """All that a data set or loader yields, items or batches of them."""
    if not isinstance(source, DataLoader | IterableDataset):
        if not hasattr(source, "__len__"):
            raise TypeError(f"expected a data set with a length, {type(source).__name__} has none")
        return [source[i] for i in range(len(source))]
    items, rows = [], 0
    for item in source:
        rows += _length(item) if batched else 1
        if rows > MOST_ROWS:
            raise ValueError(
                f"expected data that end, {type(source).__name__} yields over {MOST_ROWS:,} rows"
            )
        items.append(item)
    return items


def _length(batch: Any) -> int:
    """How many rows a batch has; 1 where it is no batch, which is refused later."""
    parts = list(batch.values()) if isinstance(batch, Mapping) else batch
    first: Any = parts[0] if isinstance(parts, list | tuple) and len(parts) else 0
    return len(first) if np.ndim(first) else 1


def _pair(item: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """An input and a target as arrays."""
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise ValueError(
            f"expected pairs (input, target) or dicts in the data set, got {type(item).__name__}"
        )
    return _entry(item[0]), _entry(item[1])


def _of_dicts(items: list[Any], target: Any, join: Any) -> tuple[NDArray[Any], NDArray[Any]] | pd.DataFrame:
    """Put together what dicts hold."""
    names = tuple(items[0])
    odd = next((item for item in items if not isinstance(item, Mapping) or set(item) != set(names)), None)
    if odd is not None:
        held = shown(tuple(odd)) if isinstance(odd, Mapping) else type(odd).__name__
        raise ValueError(f"expected dicts of {shown(names)} alone in the data set, got one of {held}")
    if target not in names:
        asked = "target=, the entry that holds the class" if target is None else f"an entry {target!r}"
        raise ValueError(f"expected {asked}, as the data set yields dicts of {shown(names)}")
    parts = {name: _joined([_entry(item[name]) for item in items], join, repr(name)) for name in names}
    if all(part.ndim == 1 for part in parts.values()):
        import pandas as pd

        columns = {name: [plain(entry) for entry in part] for name, part in parts.items()}
        if join is np.stack:  # as they were: an array makes words of numbers beside words
            columns = {name: [plain(_entry(item[name])[()]) for item in items] for name in names}
        return pd.DataFrame(columns)
    inputs = [name for name in names if name != target]
    if len(inputs) > 1 or parts[target].ndim > 1:
        wide = next(name for name, part in parts.items() if part.ndim > 1)
        raise ValueError(
            f"expected dicts of single entries, or of one input and the target {target!r}, got "
            f"{shown(names)} with {wide!r} of shape {parts[wide].shape[1:]}"
        )
    return parts[inputs[0]], parts[target]


def _entry(part: Any) -> NDArray[Any]:
    """One part of an item, or of a batch of items, as an array."""
    return np.asarray(host_array(part) if torch.is_tensor(part) else part)


def _joined(parts: Any, join: Any, what: str) -> NDArray[Any]:
    """Put the parts of items, or of batches, together."""
    batched = join is np.concatenate
    if batched and not all(part.ndim for part in parts):
        raise ValueError(f"expected batches of {what} in the data set, got a single entry")
    shapes = {part.shape[1:] if batched else part.shape for part in parts}
    if len(shapes) > 1:
        raise ValueError(f"expected {what} of one shape in the data set, got {sorted(shapes)[:2]}")
    return np.asarray(join(parts))
