"""Operations of ONNX that torch has in another form, as functions of tensors; the first axis is the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Sizes = tuple[int, ...]


def inside(x: Tensor, *axes: int) -> None:
    """Raise ValueError where an axis is the batch's, counted from behind too."""
    if any(axis % x.ndim == 0 for axis in axes):
        raise ValueError("it works along the batch axis")


def padding(x: Tensor, kernel: Sizes, strides: Sizes, dilations: Sizes, pads: Sizes, auto: str) -> list[int]:
    """Return what is put before and behind each spatial axis, as F.pad takes it: the last axis first."""
    axes = len(kernel)
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        before, behind = [], []
        for size, k, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
            total = max(0, (-(-size // stride) - 1) * stride + (k - 1) * dilation + 1 - size)
            less, more = total // 2, total - total // 2
            before.append(less if auto == "SAME_UPPER" else more)
            behind.append(more if auto == "SAME_UPPER" else less)
    elif auto == "VALID":
        before = behind = [0] * axes
    else:
        before, behind = list(pads[:axes]), list(pads[axes:])
    return [size for pair in reversed(list(zip(before, behind, strict=True))) for size in pair]


def padded(x: Tensor, sizes: Sequence[int], value: float) -> Tensor:
    """Return x with a value around it."""
    return F.pad(x, list(sizes), value=value) if any(sizes) else x


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    strides: Sizes,
    pads: Sizes,
    dilations: Sizes,
    groups: int,
    auto: str,
) -> Tensor:
    """Conv, of one, two or three spatial axes."""
    around = padding(x, tuple(weight.shape[2:]), strides, dilations, pads, auto)
    run = (F.conv1d, F.conv2d, F.conv3d)[len(strides) - 1]
    return run(padded(x, around, 0.0), weight, bias, strides, 0, dilations, groups)


def max_pool(x: Tensor, kernel: Sizes, strides: Sizes, pads: Sizes, dilations: Sizes, auto: str) -> Tensor:
    """MaxPool."""
    around = padding(x, kernel, strides, dilations, pads, auto)
    run = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(kernel) - 1]
    return run(padded(x, around, float("-inf")), kernel, strides, 0, dilations)


def mean_pool(
    x: Tensor, kernel: Sizes, strides: Sizes, pads: Sizes, auto: str, padding_counts: bool
) -> Tensor:
    """AveragePool."""
    around = padding(x, kernel, strides, (1,) * len(kernel), pads, auto)
    run = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(kernel) - 1]
    mean: Tensor = run(padded(x, around, 0.0), kernel, strides)
    if padding_counts or not any(around):
        return mean
    share: Tensor = run(padded(torch.ones_like(x), around, 0.0), kernel, strides)
    return mean / share


def pad(x: Tensor, sizes: Sizes, mode: str, value: float) -> Tensor:
    """Pad; sizes as F.pad takes them."""
    if mode == "constant":
        return F.pad(x, list(sizes), value=value)
    kept = list(sizes)
    while len(kept) > 2 * (x.ndim - 2) and not any(kept[-2:]):
        kept = kept[:-2]  # torch reflects spatial axes alone
    return F.pad(x, kept, mode={"reflect": "reflect", "edge": "replicate"}[mode])


def spatial_mean(x: Tensor) -> Tensor:
    """GlobalAveragePool."""
    return x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)


def spatial_max(x: Tensor) -> Tensor:
    """GlobalMaxPool."""
    return x.amax(dim=tuple(range(2, x.ndim)), keepdim=True)


def softmax(x: Tensor, axis: int, whole: bool, logarithm: bool) -> Tensor:
    """Softmax or its logarithm along an axis, or, in old files, over all axes from it on."""
    inside(x, axis)
    run = F.log_softmax if logarithm else F.softmax
    if not whole:
        return run(x, axis)
    axis = axis % x.ndim
    return run(x.flatten(axis), -1).reshape(x.shape)


def taken(x: Tensor, axis: int, places: Sizes, single: bool) -> Tensor:
    """Gather and Slice: entries along an axis, which is gone where there is a single one."""
    inside(x, axis)
    if single:
        return x.select(axis, places[0])
    size = x.shape[axis]
    index = torch.tensor([place % size for place in places], device=x.device, dtype=torch.long)
    return x.index_select(axis, index)


def sliced(x: Tensor, starts: Sizes, ends: Sizes, axes: Sizes, steps: Sizes) -> Tensor:
    """Slice."""
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places = tuple(range(x.shape[axis])[slice(start, _end(end, x.shape[axis], step), step)])
        x = taken(x, axis, places, False)
    return x


def _end(end: int, size: int, step: int) -> int | None:
    """The end of a slice as Python takes it; backwards, one before the first is None."""
    return None if step < 0 and end < -size else end


def part(x: Tensor, axis: int, first: int, size: int) -> Tensor:
    """One result of Split."""
    inside(x, axis)
    return x.narrow(axis, first, size)


def even_part(x: Tensor, axis: int, number: int, count: int) -> Tensor:
    """One result of a Split into equal parts, the last of which may be smaller."""
    inside(x, axis)
    return x.chunk(count, dim=axis)[number]


def reduced(x: Tensor, kind: str, axes: Sizes, keep: bool) -> Tensor:
    """ReduceMean, ReduceSum, ReduceMax, ReduceMin, ReduceL2 or ReduceSumSquare."""
    inside(x, *axes)
    if kind == "ReduceL2":
        norm: Tensor = torch.linalg.vector_norm(x, dim=axes, keepdim=keep)
        return norm
    x = x.square() if kind == "ReduceSumSquare" else x
    run: Any = {"ReduceMean": torch.mean, "ReduceMax": torch.amax, "ReduceMin": torch.amin}.get(
        kind, torch.sum
    )
    found: Tensor = run(x, dim=axes, keepdim=keep)
    return found


def squeezed(x: Tensor, axes: Sizes) -> Tensor:
    """Squeeze."""
    inside(x, *axes)
    return x.squeeze(axes)


def unsqueezed(x: Tensor, axes: Sizes) -> Tensor:
    """Unsqueeze; the axes are those of the result."""
    for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def quantized(x: Tensor, scale: Tensor, zero: float | Tensor, low: int, high: int) -> Tensor:
    """QuantizeLinear; the whole numbers stay floats, and pass gradients as if not rounded."""
    exact = x / scale
    rounded = exact + (exact.round() - exact).detach()
    return (rounded + zero).clamp(low, high)


def dequantized(x: Tensor, scale: Tensor, zero: float) -> Tensor:
    """DequantizeLinear."""
    return (x - zero) * scale


def largest(*parts: Tensor) -> Tensor:
    """Max."""
    found = parts[0]
    for other in parts[1:]:
        found = torch.maximum(found, other)
    return found


def smallest(*parts: Tensor) -> Tensor:
    """Min."""
    found = parts[0]
    for other in parts[1:]:
        found = torch.minimum(found, other)
    return found


def joined(axis: int, *parts: Tensor) -> Tensor:
    """Concat; a constant with one entry along the batch axis is repeated."""
    inside(parts[0], axis)
    n = max(len(part) for part in parts)
    whole: Sequence[Tensor] = [p.expand(n, *p.shape[1:]) if len(p) == 1 else p for p in parts]
    return torch.cat(list(whole), dim=axis)
