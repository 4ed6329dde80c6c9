"""Training data and test points in the forms that people have them, read as inputs and targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

from divulge.influence.parts import leaves, mapped
from divulge.points import host_array

__all__ = ["read_pair"]

_INPUT_KEYS = ("inputs", "input", "x", "images", "image", "pixel_values", "features", "input_ids")
_TARGET_KEYS = ("targets", "target", "y", "labels", "label")


def read_pair(data: Any, what: str) -> tuple[Any, Any]:
    """Return inputs (n, *shape) and targets (n, ...) as they are given, or gathered in memory.

    Of a module with several inputs they are a dict of arrays by name, or a tuple of them.

    Args:
        data: (inputs, targets); {"inputs": ..., "labels": ...} or the like; a dict of one target and several
            inputs by name; a list of (input, target); a torch Dataset, IterableDataset or DataLoader of such
            pairs or dicts, in the order of the Dataset's items; a `divulge.datasets.Dataset`.
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
    elif isinstance(data, IterableDataset):
        return _gathered(list(data), what)
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
        return _side_by_side(items, what, np.concatenate)
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
    items = [dataset[i] for i in range(len(dataset))]
    single: list[Any] = [_pair(loader.collate_fn([item]), what) for item in items]
    for pair in single[:1]:
        _check_first_axis(pair, 1)
    if not _alike(single):  # texts of several lengths, which are filled up to the longest of a batch
        whole = _pair(loader.collate_fn(items), what)
        _check_first_axis(whole, len(items))
        _check_order(whole, single)
        return whole
    return _gathered([tuple(mapped(_first, side) for side in pair) for pair in single], what)


def _arrays(pair: tuple[Any, Any]) -> list[Any]:
    """Return the arrays of inputs and targets."""
    return [np.asarray(host_array(part)) for side in pair for _, part in leaves(side)]


def _check_first_axis(pair: tuple[Any, Any], n: int) -> None:
    """Raise where a batch of n samples does not hold them on its first axis."""
    odd = next((a.shape for a in _arrays(pair) if a.shape[:1] != (n,)), None)
    if odd is not None:
        raise ValueError(
            f"expected a DataLoader whose collate_fn puts samples on the first axis, got shape {odd} for "
            f"{n} of them; pass batch_first=True to pad_sequence, or inputs and targets"
        )


def _check_order(whole: tuple[Any, Any], single: Sequence[tuple[Any, Any]]) -> None:
    """Raise where a row of a batch is not its sample, filled up before or behind, but another one."""
    rows, samples = _arrays(whole), [_arrays(pair) for pair in single]
    for i, sample in enumerate(samples):
        row = [part[i] for part in rows]
        if not _holds(row, sample) and any(_holds(row, other) for other in samples):
            raise ValueError(
                f"expected a DataLoader whose collate_fn keeps the samples' order, row {i} is another "
                "sample; pass one that does not sort, or inputs and targets"
            )


def _holds(row: Sequence[Any], sample: Sequence[Any]) -> bool:
    """Whether each array of a row begins or ends with the sample's."""
    for part, one in zip(row, sample, strict=True):
        ends = [
            part[tuple(slice(n) for n in one.shape[1:])],
            part[tuple(slice(size - n, None) for size, n in zip(part.shape, one.shape[1:], strict=False))],
        ]
        if not any(np.array_equal(end, one[0]) for end in ends):
            return False
    return True


def _first(batch: Any) -> Any:
    return host_array(batch)[0]


def _alike(pairs: Sequence[tuple[Any, Any]]) -> bool:
    """Whether all have inputs and targets of one shape."""
    shapes = [[np.shape(host_array(part)) for side in pair for _, part in leaves(side)] for pair in pairs]
    return all(shape == shapes[0] for shape in shapes)


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
    """Return inputs and targets of a dict whose keys say which is which."""
    targets = [key for key in _TARGET_KEYS if key in item]
    inputs = [key for key in item if key not in targets]
    if len(targets) != 1 or not inputs or (len(inputs) == 1 and inputs[0] not in _INPUT_KEYS):
        raise ValueError(
            f"expected a dict with one key among {', '.join(_TARGET_KEYS)}, and beside it one among "
            f"{', '.join(_INPUT_KEYS)} or the names of several inputs, as {what} data, "
            f"got {', '.join(map(str, item))}"
        )
    if len(inputs) == 1:
        return item[inputs[0]], item[targets[0]]
    return {key: item[key] for key in inputs}, item[targets[0]]


def _gathered(items: Sequence[Any], what: str) -> tuple[Any, Any]:
    """Return samples as inputs and targets."""
    if not items:
        raise ValueError(f"expected {what} data, got an empty Dataset")
    return _side_by_side([_pair(item, what) for item in items], what, np.stack)


def _side_by_side(
    pairs: Sequence[tuple[Any, Any]], what: str, join: Callable[[Sequence[Any]], Any]
) -> tuple[Any, Any]:
    """Join the inputs and the targets of samples, or of batches."""
    inputs, targets = zip(*pairs, strict=True)
    form = inputs[0]
    if isinstance(form, Mapping):
        odd = next((i for i, x in enumerate(inputs) if set(x) != set(form)), None)
        if odd is not None:
            got = f"{', '.join(map(str, form))} and, at row {odd}, {', '.join(map(str, inputs[odd]))}"
            raise ValueError(f"expected {what} inputs of the same names, got {got}")
        joined: Any = {key: _joined([x[key] for x in inputs], f"{what} inputs {key!r}", join) for key in form}
    elif isinstance(form, tuple):
        joined = tuple(
            _joined(parts, f"{what} inputs number {i}", join)
            for i, parts in enumerate(zip(*inputs, strict=True))
        )
    else:
        joined = _joined(inputs, f"{what} inputs", join)
    return joined, _joined(targets, f"{what} targets", join)


def _joined(parts: Sequence[Any], what: str, join: Callable[[Sequence[Any]], Any]) -> Any:
    """Return samples or batches as one array."""
    arrays = [np.asarray(host_array(part)) for part in parts]
    start = 1 if join is np.concatenate else 0
    odd = next((i for i, a in enumerate(arrays) if a.shape[start:] != arrays[0].shape[start:]), None)
    if odd is not None:
        raise ValueError(
            f"expected {what} of one shape, got {arrays[0].shape} and, at row {odd}, {arrays[odd].shape}; "
            "fill them up to one length, for instance in a DataLoader's collate_fn"
        )
    return join(arrays)
