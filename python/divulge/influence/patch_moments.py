"""Sums of outer products of a convolution's patches, of which neighbours share most of their numbers."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["has_patches", "patch_moments"]

_OPTIONS = ("kernel_size", "stride", "dilation", "padding")


def has_patches(layer: nn.Module, a: Tensor) -> bool:
    """Whether a convolution's input has samples, channels, and the axes that its kernel has."""
    return a.ndim == (3 if isinstance(layer, nn.Conv1d) else 4)


def patch_moments(layer: Any, a: Tensor, *, bias: bool) -> Tensor:
    """Return the sum over samples and positions of (a_t, 1)(a_t, 1)' of a convolution's patches a_t.

    Patches are unfolded along the rows of an image only. The products of rows i and j of a kernel are those
    of i + 1 and j + 1 but for as many rows of the image at its borders; what they share is summed once. Of
    kernels of 3 x 3 that takes a third of the products of whole patches.

    Args:
        layer: a Conv1d or Conv2d that is padded with zeros; its groups are ignored.
        a: images (n, C, H, W), or sequences (n, C, L) of a Conv1d.
        bias: whether a 1 stands behind each patch.

    Returns:
        (d, d), d = C x kernel numbers as `torch.nn.functional.unfold` orders them, and one more with a bias.
    """
    kernel, stride, dilation, padding = (_pair(layer, name) for name in _OPTIONS)
    if isinstance(layer, nn.Conv1d):  # its positions are rows of one number
        a = a.unsqueeze(-1)
    n, channels = a.shape[:2]
    images = F.pad(a, (padding[1], padding[1], padding[0], padding[0])).permute(2, 0, 3, 1).contiguous()
    high, wide = (
        (size - step * (k - 1) - 1) // s + 1
        for size, step, k, s in zip((len(images), images.shape[2]), dilation, kernel, stride, strict=True)
    )
    starts = [j * dilation[1] for j in range(kernel[1])]
    rows = torch.cat([images[:, :, j : j + stride[1] * (wide - 1) + 1 : stride[1]] for j in starts], dim=-1)
    width = channels * kernel[1]
    blocks = rows.new_zeros(kernel[0], kernel[0], width, width)
    sums = _shared if stride[0] == 1 and high > (kernel[0] - 1) * dilation[0] else _apart
    sums(blocks, rows, high, stride[0], dilation[0])
    moments = (
        blocks.reshape(kernel[0], kernel[0], kernel[1], channels, kernel[1], channels)
        .permute(3, 0, 2, 5, 1, 4)
        .reshape(width * kernel[0], -1)
    )
    if not bias:
        return moments
    of_rows = rows.sum((1, 2))
    totals = torch.stack([_window(of_rows, i, high, stride[0], dilation[0]).sum(0) for i in range(kernel[0])])
    total = totals.reshape(kernel[0], kernel[1], channels).permute(2, 0, 1).reshape(-1, 1)
    one = total.new_full((1, 1), n * high * wide)
    return torch.cat([torch.cat([moments, total], dim=1), torch.cat([total.T, one], dim=1)])


def _pair(layer: Any, name: str) -> tuple[int, int]:
    """Return an option of both axes; of the second one of a sequence what leaves it alone."""
    first, *second = getattr(layer, name)
    return int(first), int(second[0]) if second else int(name != "padding")


def _window(rows: Tensor, i: int, high: int, stride: int, dilation: int) -> Tensor:
    """Return the rows that row i of the kernel meets."""
    return rows[i * dilation : i * dilation + stride * (high - 1) + 1 : stride]


def _apart(blocks: Tensor, rows: Tensor, high: int, stride: int, dilation: int) -> None:
    """Write the products of each two rows of a kernel."""
    met = [_window(rows, i, high, stride, dilation) for i in range(len(blocks))]
    for i, j in product(range(len(met)), repeat=2):
        blocks[i, j] = blocks[j, i].T if j < i else _product(met[i], met[j])


def _shared(blocks: Tensor, rows: Tensor, high: int, stride: int, dilation: int) -> None:
    """Write them for a stride of 1: what the rows of the kernel all meet, and what each meets beside it."""
    for apart in range(len(blocks)):
        first, step = (len(blocks) - 1 - apart) * dilation, apart * dilation

        def between(begin: int, end: int, step: int = step) -> Tensor:
            return _product(rows[begin:end], rows[begin + step : end + step])

        common = between(first, high)
        for i in range(len(blocks) - apart):
            begin, end = i * dilation, i * dilation + high
            block = common + between(begin, first) + between(high, end)
            blocks[i, i + apart] = block
            blocks[i + apart, i] = block.T


def _product(a: Tensor, b: Tensor) -> Tensor:
    return a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])
