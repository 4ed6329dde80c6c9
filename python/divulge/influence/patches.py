"""What a convolution sees, unfolded along the rows of an image only: a third of 3 x 3 patches' numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Geometry", "strip_order", "strips_of"]

_OPTIONS = ("kernel_size", "stride", "dilation", "padding")


@dataclass(frozen=True)
class Geometry:
    """Where the patches of a convolution that is padded with zeros lie, axis by axis.

    A strip is what one row of a kernel meets at one position of the output in one row of the image: kernel
    width x channels numbers. A patch is as many strips as the kernel has rows, one below the other.

    Attributes:
        channels: C of the input; groups are ignored.
        kernel: rows and columns.
        stride: of the output's positions.
        dilation: of the kernel.
        high: rows of the output.
        wide: columns of the output.
    """

    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    high: int
    wide: int

    @property
    def width(self) -> int:
        """Numbers of a strip."""
        return self.channels * self.kernel[1]

    def window(self, strips: Tensor, i: int, axis: int = 0) -> Tensor:
        """Return the rows of an image, on an axis of strips, that row i of the kernel meets."""
        begin, step = i * self.dilation[0], self.stride[0]
        index = [slice(None)] * axis + [slice(begin, begin + step * (self.high - 1) + 1, step)]
        return strips[tuple(index)]


def strip_order(layer: Any, *, bias: bool) -> Tensor:
    """Return the numbers of a convolution's patch that its strips are, one behind the other.

    Patches are ordered as by `torch.nn.functional.unfold`, of one group; with a bias one more stands last.
    """
    channels, *kernel = layer.weight.shape[1:]
    count = layer.weight[0].numel()
    numbers = torch.arange(count).reshape(channels, kernel[0], -1).permute(1, 2, 0).reshape(-1)
    return torch.cat([numbers, torch.tensor([count])]) if bias else numbers


def strips_of(layer: Any, a: Tensor, order: tuple[int, int, int, int]) -> tuple[Tensor, Geometry]:
    """Return a copy of what a convolution sees as strips, on the last axis, and where they lie.

    Args:
        layer: a Conv1d or Conv2d that is padded with zeros.
        a: images (n, C, H, W), or sequences (n, C, L) of a Conv1d: images one column wide.
        order: of the axes (n, C, padded H, padded W), with the channels last.
    """
    kernel, stride, dilation, padding = (_pair(layer, name) for name in _OPTIONS)
    if isinstance(layer, nn.Conv1d):
        a = a.unsqueeze(-1)
    padded = F.pad(a, (padding[1], padding[1], padding[0], padding[0]))
    high, wide = (
        (size - step * (k - 1) - 1) // s + 1
        for size, step, k, s in zip(padded.shape[2:], dilation, kernel, stride, strict=True)
    )
    images = padded.permute(order).contiguous()
    last = stride[1] * (wide - 1) + 1
    parts = [images[:, :, j * dilation[1] :][:, :, : last : stride[1]] for j in range(kernel[1])]
    return torch.cat(parts, dim=-1), Geometry(a.shape[1], kernel, stride, dilation, high, wide)


def _pair(layer: Any, name: str) -> tuple[int, int]:
    """Return an option of both axes; of the second one of a sequence what leaves it alone."""
    first, *second = getattr(layer, name)
    return int(first), int(second[0]) if second else int(name != "padding")
