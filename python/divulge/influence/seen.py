"""What a layer saw at its positions, (a, 1), in the products that are taken of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from divulge.influence.patches import Geometry, strips_of

__all__ = ["Rows", "Seen", "Strips"]

_SAMPLES_FIRST = (0, 2, 3, 1)


class Seen(Protocol):
    """(a, 1) (k, T, d + 1) of a batch, however it is held.

    The d + 1 numbers are ordered as it is held: by `strip_order` of a convolution's strips.

    Attributes:
        positions: T.
        like: a tensor of its type, on its device.
    """

    positions: int
    like: Tensor

    def outer(self, delta: Tensor) -> Tensor:
        """Return sum_t delta_t (a_t, 1)' (k, h, d + 1) for delta (k, T, h)."""

    def times(self, v: Tensor) -> Tensor:
        """Return (a, 1) v (k, T, m) for v (d + 1, m)."""

    def parts(self, step: int) -> Iterator[Seen]:
        """Yield that of so many samples at a time."""


class Rows:
    """(a, 1) whole."""

    def __init__(self, rows: Tensor) -> None:
        self.like, self.positions = rows, rows.shape[1]

    def outer(self, delta: Tensor) -> Tensor:
        """Return sum_t delta_t (a_t, 1)' (k, h, d + 1)."""
        return delta.mT @ self.like

    def times(self, v: Tensor) -> Tensor:
        """Return (a, 1) v (k, T, m)."""
        return self.like @ v

    def parts(self, step: int) -> Iterator[Rows]:
        """Yield that of so many samples at a time."""
        return map(Rows, torch.split(self.like, step))


class Strips:
    """A convolution's patches, each of which is as many strips as its kernel has rows.

    Args:
        strips: (k, rows of an image, wide, numbers of a strip).
        at: where they lie.
        bias: whether a 1 stands behind each patch.
    """

    def __init__(self, strips: Tensor, at: Geometry, bias: bool) -> None:
        self.like, self._at, self._bias = strips, at, bias
        self.positions = at.high * at.wide

    @classmethod
    def of(cls, layer: Any, a: Tensor, *, bias: bool) -> Strips:
        """Return those of a convolution's input, a copy."""
        return cls(*strips_of(layer, a, _SAMPLES_FIRST), bias)

    def outer(self, delta: Tensor) -> Tensor:
        """Return sum_t delta_t (a_t, 1)' (k, h, d + 1), strip by strip."""
        back = delta.mT
        parts = [back @ met for met in self._met()]
        if self._bias:
            parts.append(back.sum(2, keepdim=True))
        return torch.cat(parts, dim=2)

    def times(self, v: Tensor) -> Tensor:
        """Return (a, 1) v (k, T, m)."""
        first, *others = self._met()
        parts = torch.split(v, self._at.width)
        total = first @ parts[0]
        for met, part in zip(others, parts[1:], strict=False):  # of a bias there is one more
            total.baddbmm_(met, part.expand(len(met), *part.shape))
        return total + v[-1] if self._bias else total

    def parts(self, step: int) -> Iterator[Strips]:
        """Yield that of so many samples at a time."""
        return (Strips(part, self._at, self._bias) for part in torch.split(self.like, step))

    def _met(self) -> list[Tensor]:
        """Return the strips (k, T, numbers) that each row of the kernel meets."""
        return [self._at.window(self.like, i, 1).flatten(1, 2) for i in range(self._at.kernel[0])]
