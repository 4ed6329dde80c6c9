"""Inputs and targets in the forms that users have them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.influence.losses import Loss
from divulge.influence.modes import gradients_on
from divulge.influence.reading import read_pair
from divulge.points import host_array

__all__ = ["Samples", "read_samples"]

_CHECKED_ROWS = 4096


@dataclass(frozen=True)
class Samples:
    """Inputs (n, *shape) and targets (n, ...), in memory or memory-mapped; batches are read when needed.

    Attributes:
        inputs: real numbers.
        targets: as the loss needs them.
        integers: whether inputs stay whole numbers, as the tokens that a module looks up must.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    integers: bool = False

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.inputs.shape[1:]

    @gradients_on()
    def batch(self, rows: slice | NDArray[np.int64], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return rows as tensors; inputs, and targets that are no class numbers, in the given precision."""
        inputs, targets = _tensor(self.inputs[rows]), _tensor(self.targets[rows])
        return (
            inputs.long() if self.integers else inputs.to(dtype),
            targets.to(dtype) if targets.is_floating_point() else targets,
        )

    def needs_conversion(self, dtype: torch.dtype) -> bool:
        """Whether memory-mapped inputs cannot be read where they lie by what computes in that precision."""
        mapped = isinstance(self.inputs, np.memmap)
        return mapped and not (
            self.inputs.dtype == np.dtype(str(dtype).removeprefix("torch."))
            and self.inputs.flags.c_contiguous
        )

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """Return some rows."""
        return replace(self, inputs=self.inputs[rows], targets=self.targets[rows])

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
    """Return samples from whatever `read_pair` takes.

    Arrays, tensors and memory-mapped arrays are taken as they are; the items of a Dataset are gathered in
    memory.

    Raises:
        TypeError: something else.
        ValueError: inputs and targets of different lengths, or none.
    """
    if isinstance(data, Samples):
        return data
    inputs, targets = (np.asanyarray(host_array(part)) for part in read_pair(data, what))
    if inputs.ndim < 2 or inputs.dtype.kind not in "buif":
        raise ValueError(
            f"expected {what} inputs of shape (n, ...) that are real numbers, "
            f"got shape {inputs.shape} and dtype {inputs.dtype}"
        )
    if targets.ndim < 1 or len(targets) != len(inputs):
        raise ValueError(
            f"expected {len(inputs)} {what} targets, got {len(targets) if targets.ndim else 'one'}"
        )
    if targets.dtype.kind not in "buif":
        raise ValueError(f"expected {what} targets that are real numbers, got dtype {targets.dtype}")
    if len(inputs) == 0:
        raise ValueError(f"expected {what} data, got none")
    return Samples(inputs, targets)


def _tensor(part: NDArray[Any]) -> Tensor:
    """Return a copy of an array as a tensor, in this machine's order of bytes and at most 8 of them."""
    dtype = part.dtype.newbyteorder("=")
    wide = dtype.kind == "f" and dtype.itemsize > 8
    return torch.from_numpy(np.array(part, np.float64 if wide else dtype))
