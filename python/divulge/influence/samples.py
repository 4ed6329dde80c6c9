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
from divulge.influence.parts import is_plain, leaves, mapped, rows_of
from divulge.influence.reading import read_pair
from divulge.points import host_array

__all__ = ["Samples", "read_samples"]

_CHECKED_ROWS = 4096


@dataclass(frozen=True)
class Samples:
    """Inputs (n, *shape) and targets (n, ...), in memory or memory-mapped; batches are read when needed.

    Attributes:
        inputs: real numbers; of a module that takes several inputs, a dict or a tuple of such arrays.
        targets: as the loss needs them.
        integers: whether whole numbers stay whole, as the tokens that a module looks up must.
    """

    inputs: Any
    targets: NDArray[Any]
    integers: bool = False

    def __len__(self) -> int:
        return rows_of(self.inputs)

    @property
    def shape(self) -> Any:
        """The shape of one input, of several those of each in their form."""
        return mapped(lambda part: part.shape[1:], self.inputs)

    @gradients_on()
    def batch(self, rows: slice | NDArray[np.int64], dtype: torch.dtype) -> tuple[Any, Tensor]:
        """Return rows as tensors; inputs, and targets that are no class numbers, in the given precision."""
        targets = _tensor(self.targets[rows])
        return (
            mapped(lambda part: self._input(_tensor(part[rows]), dtype), self.inputs),
            targets.to(dtype) if targets.is_floating_point() else targets,
        )

    def _input(self, part: Tensor, dtype: torch.dtype) -> Tensor:
        """Return an input as the module takes it: beside others, masks stay masks."""
        if part.is_floating_point() or not self.integers:
            return part.to(dtype)
        return part if part.dtype == torch.bool and not is_plain(self.inputs) else part.long()

    def needs_conversion(self, dtype: torch.dtype) -> bool:
        """Whether memory-mapped inputs cannot be read where they lie by what computes in that precision."""
        mapped = isinstance(self.inputs, np.memmap)
        return mapped and not (
            self.inputs.dtype == np.dtype(str(dtype).removeprefix("torch."))
            and self.inputs.flags.c_contiguous
        )

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """Return some rows."""
        inputs = mapped(lambda part: part[rows], self.inputs)
        return replace(self, inputs=inputs, targets=self.targets[rows])

    def checked(self, loss: Loss, outputs: tuple[int, ...], what: str) -> Samples:
        """Return the samples with targets in the loss's form.

        Raises:
            ValueError: a target or an input that cannot be used, with its row.
        """
        for name, array in leaves(self.inputs):
            _check_finite(array, f"{what} inputs{name}")
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
    given, wanted = read_pair(data, what)
    targets = _array(wanted)
    if isinstance(given, tuple) and any(
        np.shape(part)[:1] != targets.shape[:1] for part in map(_array, given)
    ):
        given = (
            np.stack([_array(part) for part in given]) if given else ()
        )  # rows, and no inputs side by side
    inputs = mapped(_array, given)
    if not is_plain(inputs) and not len(inputs):
        raise ValueError(f"expected {what} inputs, got an empty {type(inputs).__name__}")
    for name, part in leaves(inputs):
        if part.ndim < (2 if is_plain(inputs) else 1) or part.dtype.kind not in "buif":
            raise ValueError(
                f"expected {what} inputs{name} of shape (n, ...) that are real numbers, "
                f"got shape {part.shape} and dtype {part.dtype}"
            )
        if len(part) != rows_of(inputs):
            raise ValueError(f"expected {rows_of(inputs)} {what} inputs{name}, got {len(part)}")
    rows = rows_of(inputs)
    if targets.ndim < 1 or len(targets) != rows:
        raise ValueError(f"expected {rows} {what} targets, got {len(targets) if targets.ndim else 'one'}")
    if targets.dtype.kind not in "buif":
        raise ValueError(f"expected {what} targets that are real numbers, got dtype {targets.dtype}")
    if rows == 0:
        raise ValueError(f"expected {what} data, got none")
    return Samples(inputs, targets, integers=not is_plain(inputs))


def _array(part: Any) -> NDArray[Any]:
    try:
        return np.asanyarray(host_array(part))
    except ValueError as error:
        raise ValueError(
            "expected inputs and targets whose samples have one shape each, got rows of several lengths; "
            "fill them up to one, for instance in a DataLoader's collate_fn"
        ) from error


def _check_finite(array: NDArray[Any], what: str) -> None:
    for begin in range(0, len(array), _CHECKED_ROWS):
        part = array[begin : begin + _CHECKED_ROWS]
        if part.dtype.kind != "f":
            break
        bad = np.flatnonzero(~np.isfinite(part).reshape(len(part), -1).all(axis=1))
        if len(bad):
            raise ValueError(f"expected finite {what}, row {begin + bad[0]} holds a NaN or an infinity")


def _tensor(part: NDArray[Any]) -> Tensor:
    """Return a copy of an array as a tensor, in this machine's order of bytes and at most 8 of them."""
    dtype = part.dtype.newbyteorder("=")
    wide = dtype.kind == "f" and dtype.itemsize > 8
    return torch.from_numpy(np.array(part, np.float64 if wide else dtype))
