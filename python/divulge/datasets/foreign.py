"""torch's data sets and loaders as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from divulge.points import host_array


def is_foreign(source: Any) -> bool:
    """Whether it is a data set or loader of torch."""
    return isinstance(source, TorchDataset | DataLoader)


def as_arrays(source: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return all inputs (n, ...) and targets (n,) of a torch Dataset or DataLoader, in its order.

    Raises:
        ValueError: it holds nothing, or no pairs of an input and a target.
        TypeError: it has no length, as an iterable data set has none.
    """
    if isinstance(source, DataLoader):
        return _joined([_pair(batch) for batch in source], np.concatenate)
    if not hasattr(source, "__len__"):
        raise TypeError(f"expected a data set with a length, {type(source).__name__} has none")
    return _joined([_pair(source[i]) for i in range(len(source))], np.stack)


def _pair(item: Any) -> tuple[Any, Any]:
    """An input and a target as arrays."""
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise ValueError(f"expected pairs (input, target) in the data set, got {type(item).__name__}")
    return tuple(np.asarray(host_array(part) if torch.is_tensor(part) else part) for part in item)  # type: ignore[return-value]


def _joined(pairs: list[tuple[Any, Any]], join: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Put pairs together."""
    if not pairs:
        raise ValueError("the data set holds nothing")
    inputs, targets = zip(*pairs, strict=True)
    shapes = {part.shape[1:] if join is np.concatenate else part.shape for part in inputs}
    if len(shapes) > 1:
        raise ValueError(f"expected inputs of one shape in the data set, got {sorted(shapes)[:2]}")
    return join(inputs), join(targets)
