"""What poolings, paddings and activations do to maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from divulge.comparison.image_steps import Maps, Padded, Plain, Step, Traced, UnknownStep
from divulge.comparison.recorded_maps import around_words, images, numbers, pair, three


def relu(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """ReLU."""
    return Plain("ReLU", (), None, maps)


def leaky(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """LeakyReLU."""
    slope = float(args[1]) if len(args) > 1 else 0.01
    return Plain("LeakyReLU", (slope,), None, maps)


def prelu(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """PReLU of one slope."""
    slopes = numbers(args[1]).reshape(-1)
    if np.ptp(slopes):
        raise UnknownStep("a PReLU has a slope for each channel")
    return Plain("LeakyReLU", (float(slopes[0]),), None, maps)


def clip(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """Hardtanh, ReLU6 and the like."""
    low, high = (*args[1:3], None, None)[:2]
    if name == "hardtanh" and len(args) < 3:
        low, high = -1.0, 1.0
    if low is None or isinstance(low, Tensor) or isinstance(high, Tensor):
        raise UnknownStep("maps are clipped from above alone, or by an array")
    if high is None and low == 0:
        return Plain("ReLU", (), None, maps)
    return Plain("clip", (float(low), np.inf if high is None else float(high)), None, maps)


def pad(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """A padding with a number."""
    sizes = list(args[1])
    if len(sizes) > 4 or min(sizes) < 0:
        raise UnknownStep("maps are cut, or padded in other axes than rows and columns")
    left, right, top, bottom = (*sizes, 0, 0)[:4]
    images(traced, maps)
    return Padded((top, bottom, left, right), float(args[2]) if len(args) > 2 else 0.0, three(out))


def pool(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """An average or a maximum over windows."""
    maps = images(traced, maps)
    kernel = pair(args[1])
    stride = pair(args[2]) if len(args) > 2 and args[2] else kernel
    padding = pair(args[3]) if len(args) > 3 else (0, 0)
    if name.startswith("max") and len(args) > 4 and pair(args[4]) != (1, 1):
        raise UnknownStep("a max pooling is dilated")
    average = name.startswith("avg")
    if average and any(padding) and len(args) > 5 and not args[5]:
        raise UnknownStep("an average leaves its padding out")
    if average and len(args) > 6 and args[6]:
        raise UnknownStep("an average divides by another number than its window has")
    return _pooled("average" if average else "max", kernel, stride, padding, maps, out)


def adaptive(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """A pooling to so many places."""
    maps = images(traced, maps)
    (height, width), (rows, columns) = maps[1:], pair(args[1])
    if height % rows or width % columns:
        raise UnknownStep("an adaptive pooling has windows of several sizes")
    kernel = height // rows, width // columns
    return _pooled("average" if "avg" in name else "max", kernel, kernel, (0, 0), maps, out)


def mean(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """A mean or a maximum over rows and columns."""
    maps = images(traced, maps)
    axes = sorted(axis % 4 for axis in args[1])
    if axes != [2, 3]:
        raise UnknownStep("a mean or maximum is over other axes than rows and columns")
    kernel = maps[1:]
    return _pooled("average" if name == "mean" else "max", kernel, kernel, (0, 0), maps, out)


def _pooled(
    kind: str,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    maps: Maps,
    out: Tensor,
) -> Step:
    """Return a pooling; the stride of a single window does not matter."""
    found = (maps[0], out.shape[2], out.shape[3]) if out.ndim == 4 else (maps[0], 1, 1)
    if found[1:] == (1, 1):
        stride = kernel
    words = f"{kind} of {kernel[0]}x{kernel[1]}"
    words += "" if stride == kernel else f" in steps of {stride[0]}x{stride[1]}"
    words += around_words((padding[0], padding[0], padding[1], padding[1]))
    fits = all(
        k + s * (n - 1) <= size for k, s, n, size in zip(kernel, stride, found[1:], maps[1:], strict=True)
    )
    words += "" if fits or any(padding) else ", windows over the edge"
    plain = kind == "average" and fits and not any(padding)
    return Plain(words, (), (kernel, stride) if plain else None, found)
