"""A sample whose outputs have several positions, such as a text's tokens: one number of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Positions"]


@dataclass(frozen=True)
class Positions:
    """How what is computed at a sample's positions becomes one number.

    Attributes:
        reduction: "mean" over the positions that count, or their "sum".
        ignore_index: the target of a position that does not count, as behind the end of a text. A sample
            without one that counts has the value 0.
    """

    reduction: Literal["mean", "sum"] = "mean"
    ignore_index: int = -100

    def __post_init__(self) -> None:
        if self.reduction not in ("mean", "sum"):
            raise ValueError(f"expected positions as 'mean' or 'sum', got {self.reduction!r}")
        if isinstance(self.ignore_index, bool) or not isinstance(self.ignore_index, int):
            raise ValueError(f"expected ignore_index as a whole number, got {self.ignore_index!r}")

    def weights(self, targets: Tensor) -> Tensor:
        """Return what each position counts for, of the targets' shape (n, *positions)."""
        counted = (targets != self.ignore_index).double()
        if self.reduction == "sum":
            return counted
        total = counted.flatten(1).sum(1).clamp_min(1)
        return counted / total.reshape(-1, *[1] * (targets.ndim - 1))

    def joined(self, values: Tensor, targets: Tensor) -> Tensor:
        """Return one number a sample (n,) of values (n, *positions)."""
        return (values * self.weights(targets).to(values)).flatten(1).sum(1)

    def all_counting(self, like: Tensor) -> Tensor:
        """Return targets of the same shape all of which count: numbers have none that stands for nothing."""
        return torch.full_like(like, self.ignore_index + 1, dtype=torch.int64)

    def classes(self, targets: Tensor) -> Tensor:
        """Return the targets with some class, 0, where they do not count."""
        return targets.masked_fill(targets == self.ignore_index, 0)
