"""Where a layer's input holds the samples: on an axis, or folded into one with something else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["SampleAxis", "find_axis"]


@dataclass(frozen=True)
class SampleAxis:
    """The samples' place among the axes of a tensor whose last axis are features.

    Attributes:
        axis: of length k C for k samples.
        fold: C, parts of each sample on that axis.
        inner: whether the samples are its fast part, (C, k), as where pairs are joined; else (k, C), as where
            choices are flattened.
    """

    axis: int
    fold: int = 1
    inner: bool = False

    @property
    def is_first(self) -> bool:
        """Whether the samples are the first axis as they are."""
        return self.axis == 0 and self.fold == 1

    def rows(self, tensor: Tensor, k: int) -> Tensor | None:
        """Return (k, T, d): each sample's positions, all but the features; None for another shape."""
        if self.axis >= tensor.ndim - 1 or tensor.shape[self.axis] != k * self.fold:
            return None
        moved = tensor.movedim(self.axis, 0)
        if self.inner:
            moved = moved.reshape(self.fold, k, *moved.shape[1:]).transpose(0, 1)
        return moved.reshape(k, -1, tensor.shape[-1])


def find_axis(shape: Sequence[int], deltas: Sequence[Tensor]) -> list[SampleAxis]:
    """Return where the samples can be in a layer's output: no sample's gradient lies outside of its own part.

    Args:
        shape: of the output, features last.
        deltas: gradients by the output, of that shape, of a function of each of the k samples alone.
    """
    k = len(deltas)
    return [
        axis for axis in _candidates(shape, k) if all(_is_own(axis, d, i, k) for i, d in enumerate(deltas))
    ]


def _candidates(shape: Sequence[int], k: int) -> Iterator[SampleAxis]:
    for axis, size in enumerate(shape[:-1]):
        if size and size % k == 0:
            yield SampleAxis(axis, size // k)
            if k > 1 and size > k:
                yield SampleAxis(axis, size // k, inner=True)


def _is_own(axis: SampleAxis, delta: Tensor, sample: int, k: int) -> bool:
    rows = axis.rows(delta, k)
    if rows is None:
        return False
    others = torch.arange(k, device=rows.device) != sample
    return not bool(rows[others].any())
