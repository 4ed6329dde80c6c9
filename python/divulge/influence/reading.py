"""Training data and test points in the forms that people have them, read as two arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
)

from divulge.points import host_array

__all__ = ["read_pair"]

_INPUT_KEYS = ("inputs", "input", "x", "images", "image", "pixel_values", "features", "input_ids")
_TARGET_KEYS = ("targets", "target", "y", "labels", "label")


def read_pair(data: Any, what: str) -> tuple[Any, Any]:
    """Return inputs (n, *shape) and targets (n, ...) as they are given, or gathered in memory.

    Args:
        data: (inputs, targets); {"inputs": ..., "labels": ...} or the like; a list of (input, target); a
            map-style torch Dataset or a DataLoader of such pairs or dicts, in the order of the Dataset's
            items; a `divulge.datasets.Dataset`.
        what: "training" or "test", for messages.

    Raises:
        TypeError: something else.
        ValueError: what is no pair, is empty, or whose order or choice of samples cannot be told.
    """
    if hasattr(data, "train_inputs") and hasattr(data, "train_targets"):
        return data.train_inputs, data.train_targets
    if isinstance(data, Mapping):
        return _named(data, what)
    if isinstance(data, DataLoader):
        return _loaded(data, what)
    if isinstance(data, TensorDataset) and type(data).__getitem__ is TensorDataset.__getitem__:
        data = tuple(data.tensors)
    elif _is_dataset(data):
        return _gathered([data[i] for i in range(len(data))], what)
    elif isinstance(data, (tuple, list)) and _is_list_of_pairs(data, what):
        return _gathered(data, what)
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TypeError(f"expected {what} data as (inputs, targets) or a Dataset, got {type(data).__name__}")
    return data[0], data[1]


def _loaded(loader: DataLoader[Any], what: str) -> tuple[Any, Any]:
    """Return what a DataLoader loads, each sample once and in its Dataset's order."""
    if isinstance(loader.dataset, IterableDataset):
        items = [_pair(batch, what) for batch in loader]
        if not items:
            raise ValueError(f"expected {what} data, got an empty DataLoader")
        inputs, targets = (
            [np.asarray(host_array(part)) for part in side] for side in zip(*items, strict=True)
        )
        return np.concatenate(inputs), np.concatenate(targets)
    sampler: Any = loader.sampler
    random = isinstance(sampler, RandomSampler) and not sampler.replacement
    if not (isinstance(sampler, SequentialSampler) or random) or len(sampler) != len(loader.dataset):  # type: ignore[arg-type]
        raise ValueError(
            f"expected a DataLoader that loads each of its Dataset's samples once, got the sampler "
            f"{type(sampler).__name__}; pass a Dataset, for instance torch.utils.data.Subset"
        )
    dataset: Any = loader.dataset
    if loader.collate_fn is default_collate:
        return read_pair(dataset, what)
    single: list[Any] = [_pair(loader.collate_fn([dataset[i]]), what) for i in range(len(dataset))]
    return _gathered([(host_array(x)[0], host_array(y)[0]) for x, y in single], what)


def _concatenated(batches: Sequence[Any]) -> Any:
    return np.concatenate([np.asarray(host_array(batch)) for batch in batches])


def _is_dataset(data: Any) -> bool:
    """Whether it is a map-style torch Dataset, and no array of inputs alone."""
    other = isinstance(data, (tuple, list, str)) or hasattr(data, "dtype") or hasattr(data, "dtypes")
    return hasattr(data, "__getitem__") and hasattr(data, "__len__") and not other


def _is_list_of_pairs(data: Sequence[Any], what: str) -> bool:
    """Whether a list holds samples, and not inputs beside targets.

    Raises:
        ValueError: two pairs that may be either.
    """
    if not data or not all(isinstance(item, Mapping) or _is_pair(item) for item in data):
        return False
    if len(data) != 2 or isinstance(data[0], Mapping):
        return True
    # [(x, y), (x, y)] or (two inputs, two targets)
    (x, y), (other, last) = data
    samples = np.ndim(host_array(x)) > 0 and np.ndim(host_array(y)) == np.ndim(host_array(last)) == 0
    columns = np.ndim(host_array(x)) == np.ndim(host_array(y)) and np.ndim(host_array(other)) == 0
    if samples == columns or np.ndim(host_array(x)) == 0:
        raise ValueError(
            f"expected {what} data as (inputs, targets) or a list of pairs, got two pairs that may be "
            "either; pass arrays"
        )
    return samples


def _is_pair(item: Any) -> bool:
    return isinstance(item, (tuple, list)) and len(item) == 2


def _pair(item: Any, what: str) -> tuple[Any, Any]:
    if isinstance(item, Mapping):
        return _named(item, what)
    if not _is_pair(item):
        size = f" of {len(item)}" if isinstance(item, (tuple, list)) else ""
        raise ValueError(
            f"expected {what} samples that are pairs (input, target), got {type(item).__name__}{size}"
        )
    return item[0], item[1]


def _named(item: Mapping[Any, Any], what: str) -> tuple[Any, Any]:
    """Return inputs and targets of a dict whose two keys say which is which."""
    inputs, targets = ([key for key in names if key in item] for names in (_INPUT_KEYS, _TARGET_KEYS))
    if len(inputs) != 1 or len(targets) != 1 or len(item) != 2:
        raise ValueError(
            f"expected a dict of two with a key among {', '.join(_INPUT_KEYS)} and one among "
            f"{', '.join(_TARGET_KEYS)} as {what} data, got {', '.join(map(str, item))}"
        )
    return item[inputs[0]], item[targets[0]]


def _gathered(items: Sequence[Any], what: str) -> tuple[Any, Any]:
    """Return samples as two arrays."""
    if not items:
        raise ValueError(f"expected {what} data, got an empty Dataset")
    pairs = [_pair(item, what) for item in items]
    sides = []
    for side, name in zip(zip(*pairs, strict=True), ("inputs", "targets"), strict=True):
        arrays = [np.asarray(host_array(part)) for part in side]
        odd = next((i for i, a in enumerate(arrays) if a.shape != arrays[0].shape), None)
        if odd is not None:
            raise ValueError(
                f"expected {what} {name} of one shape, got {arrays[0].shape} and, at row {odd}, "
                f"{arrays[odd].shape}"
            )
        sides.append(np.stack(arrays))
    return sides[0], sides[1]
