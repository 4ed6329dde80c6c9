"""Inputs and targets in the forms that users have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.influence.losses import Loss
from divulge.points import host_array

__all__ = ["Samples", "read_samples"]

_CHECKED_ROWS = 4096


@dataclass(frozen=True)
class Samples:
    """Inputs (n, *shape) and targets (n, ...), in memory or memory-mapped; batches are read when needed."""

    inputs: NDArray[Any]
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.inputs.shape[1:]

    def batch(self, rows: slice | NDArray[np.int64], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return rows as tensors; inputs, and targets that are no class numbers, in the given precision."""
        inputs = torch.from_numpy(np.array(self.inputs[rows])).to(dtype)
        targets = torch.from_numpy(np.array(self.targets[rows]))
        return inputs, targets.to(dtype) if targets.is_floating_point() else targets

    def needs_conversion(self, dtype: torch.dtype) -> bool:
        """Whether memory-mapped inputs cannot be read where they lie by what computes in that precision."""
        mapped = isinstance(self.inputs, np.memmap)
        return mapped and not (
            self.inputs.dtype == np.dtype(str(dtype).removeprefix("torch."))
            and self.inputs.flags.c_contiguous
        )

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """Return some rows."""
        return Samples(self.inputs[rows], self.targets[rows])

    def checked(self, loss: Loss, outputs: int, what: str) -> Samples:
        """Return the samples with targets in the loss's form.

        Raises:
            ValueError: a target or an input that cannot be used, with its row.
        """
        for begin in range(0, len(self), _CHECKED_ROWS):
            part = self.inputs[begin : begin + _CHECKED_ROWS]
            if part.dtype.kind != "f":
                break
            bad = np.flatnonzero(~np.isfinite(part).reshape(len(part), -1).all(axis=1))
            if len(bad):
                raise ValueError(
                    f"expected finite {what} inputs, row {begin + bad[0]} holds a NaN or an infinity"
                )
        return replace(self, targets=loss.check_targets(self.targets, outputs, what))


def read_samples(data: Any, what: str) -> Samples:
    """Return samples from (inputs, targets), a map-style torch Dataset, or a `divulge.datasets.Dataset`.

    Arrays, tensors and memory-mapped arrays are taken as they are; the items of a Dataset are gathered in
    memory.

    Raises:
        TypeError: something else.
        ValueError: inputs and targets of different lengths, or none.
    """
    if isinstance(data, Samples):
        return data
    if hasattr(data, "train_inputs") and hasattr(data, "train_targets"):
        data = (data.train_inputs, data.train_targets)
    elif _is_dataset(data):
        data = _gathered(data)
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TypeError(f"expected {what} data as (inputs, targets) or a Dataset, got {type(data).__name__}")
    inputs, targets = (np.asanyarray(host_array(part)) for part in data)
    if inputs.ndim < 2 or inputs.dtype.kind not in "buif":
        raise ValueError(
            f"expected {what} inputs of shape (n, ...) that are real numbers, "
            f"got shape {inputs.shape} and dtype {inputs.dtype}"
        )
    if targets.ndim < 1 or len(targets) != len(inputs):
        raise ValueError(
            f"expected {len(inputs)} {what} targets, got {len(targets) if targets.ndim else 'one'}"
        )
    if len(inputs) == 0:
        raise ValueError(f"expected {what} data, got none")
    return Samples(inputs, targets)


def _is_dataset(data: Any) -> bool:
    """Whether it is a map-style torch Dataset, and no array of inputs alone."""
    other = isinstance(data, (tuple, list)) or hasattr(data, "dtype")
    return hasattr(data, "__getitem__") and hasattr(data, "__len__") and not other


def _gathered(data: Any) -> tuple[Any, Any]:
    """Return the items of a map-style Dataset as two arrays."""
    if hasattr(data, "tensors"):
        return tuple(data.tensors)
    pairs: Sequence[Any] = [data[i] for i in range(len(data))]
    if not pairs:
        raise ValueError("expected data, got an empty Dataset")
    return np.stack([host_array(x) for x, _ in pairs]), np.asarray([host_array(y) for _, y in pairs])
