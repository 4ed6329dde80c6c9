"""What a layer saw at its positions, (a, 1), in the products that are taken of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from divulge.influence.patches import Geometry, strips_of

__all__ = ["Rows", "Seen", "Strips", "outer", "times"]

_SAMPLES_FIRST = (0, 2, 3, 1)


class Seen(Protocol):
    """(a, 1) (k, T, d + 1) of a batch, however it is held; a alone (k, T, d) of a layer without a bias.

    The d numbers are ordered as it is held: by `strip_order` of a convolution's strips.

    Attributes:
        positions: T.
        like: a tensor of its type, on its device.
        bias: whether a 1 stands behind each a, which is not held.
    """

    positions: int
    like: Tensor
    bias: bool

    def own_outer(self, delta: Tensor, *, turned: bool = False) -> Tensor:
        """Return sum_t delta_t a_t' (k, h, d) for delta (k, T, h), or its transposes (k, d, h)."""

    def own_times(self, v: Tensor) -> Tensor:
        """Return a v (k, T, m) for v (d, m)."""

    def parts(self, step: int) -> Iterator[Seen]:
        """Yield that of so many samples at a time."""


def outer(seen: Seen, delta: Tensor) -> Tensor:
    """Return sum_t delta_t (a_t, 1)' (k, h, d + 1) for delta (k, T, h)."""
    own = seen.own_outer(delta)
    return torch.cat([own, delta.sum(1)[:, :, None]], dim=2) if seen.bias else own


def times(seen: Seen, v: Tensor) -> Tensor:
    """Return (a, 1) v (k, T, m) for v (d + 1, m)."""
    return seen.own_times(v[:-1]) + v[-1] if seen.bias else seen.own_times(v)


class Rows:
    """What was seen, whole.

    Args:
        rows: (k, T, d).
        bias: whether a 1 stands behind each.
    """

    def __init__(self, rows: Tensor, bias: bool = False) -> None:
        self.like, self.positions, self.bias = rows, rows.shape[1], bias

    def own_outer(self, delta: Tensor, *, turned: bool = False) -> Tensor:
        """Return sum_t delta_t a_t' (k, h, d), or its transposes."""
        return self.like.mT @ delta if turned else delta.mT @ self.like

    def own_times(self, v: Tensor) -> Tensor:
        """Return a v (k, T, m)."""
        return self.like @ v

    def parts(self, step: int) -> Iterator[Rows]:
        """Yield that of so many samples at a time."""
        return (Rows(part, self.bias) for part in torch.split(self.like, step))


class Strips:
    """A convolution's patches, each of which is as many strips as its kernel has rows.

    Args:
        strips: (k, rows of an image, wide, numbers of a strip).
        at: where they lie.
        bias: whether a 1 stands behind each patch.
    """

    def __init__(self, strips: Tensor, at: Geometry, bias: bool) -> None:
        self.like, self._at, self.bias = strips, at, bias
        self.positions = at.high * at.wide

    @classmethod
    def of(cls, layer: Any, a: Tensor, *, bias: bool) -> Strips:
        """Return those of a convolution's input, a copy."""
        return cls(*strips_of(layer, a, _SAMPLES_FIRST), bias)

    def own_outer(self, delta: Tensor, *, turned: bool = False) -> Tensor:
        """Return sum_t delta_t a_t' (k, h, d), or its transposes, strip by strip."""
        if turned:
            return torch.cat([met.mT @ delta for met in self._met()], dim=1)
        back = delta.mT
        return torch.cat([back @ met for met in self._met()], dim=2)

    def own_times(self, v: Tensor) -> Tensor:
        """Return a v (k, T, m)."""
        first, *others = self._met()
        parts = torch.split(v, self._at.width)
        total = first @ parts[0]
        for met, part in zip(others, parts[1:], strict=True):
            total.baddbmm_(met, part.expand(len(met), *part.shape))
        return total

    def parts(self, step: int) -> Iterator[Strips]:
        """Yield that of so many samples at a time."""
        return (Strips(part, self._at, self.bias) for part in torch.split(self.like, step))

    def _met(self) -> list[Tensor]:
        """Return the strips (k, T, numbers) that each row of the kernel meets."""
        return [self._at.window(self.like, i, 1).flatten(1, 2) for i in range(self._at.kernel[0])]
