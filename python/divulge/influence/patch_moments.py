"""Sums of outer products of a convolution's patches, of which neighbours share most of their numbers."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor

from divulge.influence.patches import Geometry, strips_of

__all__ = ["patch_moments"]

_ROWS_FIRST = (2, 0, 3, 1)


def patch_moments(layer: Any, a: Tensor, *, bias: bool) -> Tensor:
    """Return the sum over samples and positions of (a_t, 1)(a_t, 1)' of a convolution's patches a_t.

    The products of rows i and j of a kernel are those of i + 1 and j + 1 but for as many rows of the image
    at its borders; what they share is summed once. Of kernels of 3 x 3 that takes a third of the products of
    whole patches.

    Args:
        layer: a Conv1d or Conv2d that is padded with zeros; its groups are ignored.
        a: images (n, C, H, W), or sequences (n, C, L) of a Conv1d.
        bias: whether a 1 stands behind each patch.

    Returns:
        (d, d), d = C x kernel numbers in the strips' order (`strip_order`), and one more with a bias.
    """
    strips, at = strips_of(layer, a, _ROWS_FIRST)
    count = at.kernel[0]
    blocks = strips.new_zeros(count, count, at.width, at.width)
    (_shared if at.stride[0] == 1 and at.high > (count - 1) * at.dilation[0] else _apart)(blocks, strips, at)
    moments = blocks.transpose(1, 2).reshape(count * at.width, -1)
    if bias:
        rows = strips.sum((1, 2))
        total = torch.cat([at.window(rows, i).sum(0) for i in range(count)])[:, None]
        one = total.new_full((1, 1), strips.shape[1] * at.high * at.wide)
        moments = torch.cat([torch.cat([moments, total], dim=1), torch.cat([total.T, one], dim=1)])
    return moments


def _apart(blocks: Tensor, strips: Tensor, at: Geometry) -> None:
    """Write the products of each two rows of a kernel."""
    met = [at.window(strips, i) for i in range(len(blocks))]
    for i, j in product(range(len(met)), repeat=2):
        blocks[i, j] = blocks[j, i].T if j < i else _product(met[i], met[j])


def _shared(blocks: Tensor, strips: Tensor, at: Geometry) -> None:
    """Write them for a stride of 1: what the rows of the kernel all meet, and what each meets beside it."""
    for apart in range(len(blocks)):
        first, step = (len(blocks) - 1 - apart) * at.dilation[0], apart * at.dilation[0]

        def between(begin: int, end: int, step: int = step) -> Tensor:
            return _product(strips[begin:end], strips[begin + step : end + step])

        common = between(first, at.high)
        for i in range(len(blocks) - apart):
            begin = i * at.dilation[0]
            block = common + between(begin, first) + between(at.high, begin + at.high)
            blocks[i, i + apart] = block
            blocks[i + apart, i] = block.T


def _product(a: Tensor, b: Tensor) -> Tensor:
    return a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])
