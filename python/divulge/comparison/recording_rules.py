"""What each of torch's basic operations does to maps: a convolution, a pooling, another order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from divulge.arrays import Array
from divulge.comparison.image_steps import (
    Around,
    Maps,
    Padded,
    Plain,
    Scaled,
    Step,
    Traced,
    UnknownStep,
    Weighted,
)


def apply(
    name: str, func: Any, args: Any, kwargs: Any, traced: Traced, maps: Maps, out: Tensor
) -> tuple[Step | None, Tensor | None]:
    """Return the step that an operation is, or None and where its numbers stood before.

    Args:
        name: of the operation, such as "relu_".
        func: the operation.
        args: what it was given.
        kwargs: what it was given by name.
        traced: the one argument that comes of the input.
        maps: (C, H, W) in which the last step left it.
        out: the result.

    Raises:
        UnknownStep: the operation is not known.
    """
    plain = name if name.startswith("_") else name.rstrip("_")
    if plain in _MOVES and args[0] is traced.tensor:
        return None, func(traced.places, *args[1:], **kwargs)
    if plain in _COPIES:
        return None, traced.places
    rule = _RULES.get(plain)
    if rule is None:
        raise UnknownStep(_WORDS.get(plain, f"an operation {plain} is none of a row of layers"))
    return rule(plain, [*args, *kwargs.values()], traced, maps, out), None


def numbers(tensor: Any) -> Array:
    """Return a constant in float64."""
    return np.asarray(tensor.detach().cpu().double().numpy() if isinstance(tensor, Tensor) else tensor, float)


def _in_order(traced: Traced, maps: Maps) -> None:
    """Raise UnknownStep unless a tensor is maps (n, C, H, W) as they were left."""
    places = traced.places[0]
    if tuple(places.shape) != maps or not torch.equal(places.flatten(), torch.arange(int(np.prod(maps)))):
        raise UnknownStep("maps are put in another order in front of a convolution or a pooling")


def _three(out: Tensor) -> Maps:
    """(c, H, W) of a result."""
    if out.ndim == 4:
        return (out.shape[1], out.shape[2], out.shape[3])
    return (int(out[0].numel()), 1, 1)


def _images(traced: Traced, maps: Maps) -> Maps:
    """(C, H, W) of what a convolution or a pooling is given; inputs may have come flattened."""
    shape = traced.places.shape
    if traced.step == 0 and len(shape) == 4:
        maps = (shape[1], shape[2], shape[3])
    _in_order(traced, maps)
    return maps


def _convolution(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    weight, bias, stride, padding, dilation, transposed, _, groups = args[1:9]
    if transposed or len(stride) != 2 or args[0] is not traced.tensor:
        raise UnknownStep("a convolution is transposed, of one or three axes, or of computed filters")
    maps = _images(traced, maps)
    filters = written_out(numbers(weight), groups, dilation)
    offsets = np.zeros(len(filters)) if bias is None else numbers(bias)
    around = (padding[0], padding[0], padding[1], padding[1])
    return Weighted(filters, offsets, (stride[0], stride[1]), around, maps, _three(out))


def written_out(filters: Array, groups: int, dilation: list[int]) -> Array:
    """Filters (c, C / groups, kh, kw) with zeros between their entries and for other groups' channels."""
    count, own, kh, kw = filters.shape
    rows, columns = dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1
    found = np.zeros((count, own * groups, rows, columns))
    for i, row in enumerate(filters):
        first = i // (count // groups) * own
        found[i, first : first + own, :: dilation[0], :: dilation[1]] = row
    return found


def _dense(traced: Traced, maps: Maps, weight: Array, bias: Array) -> Step:
    """Weight (units, features) over maps in whatever order."""
    places = traced.places[0].flatten().numpy()
    if weight.shape[1] != len(places):
        raise UnknownStep("a dense layer is applied at every place of a map")
    full = np.zeros((len(weight), int(np.prod(maps))))
    np.add.at(full.T, places, weight.T)
    count = len(weight)
    return Weighted(
        full.reshape(count, *maps), np.broadcast_to(bias, count), (1, 1), (0, 0, 0, 0), maps, (count, 1, 1)
    )


def _addmm(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    if args[1] is not traced.tensor:
        raise UnknownStep("a product with computed weights")
    return _dense(traced, maps, numbers(args[2]).T, numbers(args[0]).reshape(-1))


def _mm(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    if args[0] is not traced.tensor:
        raise UnknownStep("a product with computed weights")
    return _dense(traced, maps, numbers(args[1]).T, np.zeros(args[1].shape[1]))


def _norm(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    weight, bias, mean, variance = args[1:5]
    training, eps = (False, args[6]) if name.endswith("no_training") else (args[5], args[7])
    if training or mean is None:
        raise UnknownStep("a batch norm takes its batch's own statistics")
    factor = 1 / np.sqrt(numbers(variance) + eps) * (1.0 if weight is None else numbers(weight))
    shift = (0.0 if bias is None else numbers(bias)) - numbers(mean) * factor
    maps = _images(traced, maps) if traced.places.ndim == 4 else maps
    if len(factor) != maps[0]:
        raise UnknownStep("a batch norm of flattened maps")
    return Scaled(factor, np.broadcast_to(shift, factor.shape), maps)


def _constant(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """+, -, * or / with a constant."""
    first = args[0] is traced.tensor
    other = numbers(args[1] if first else args[0])
    if name == "div" and not first:
        raise UnknownStep("a division by a result")
    maps = _images(traced, maps) if traced.places.ndim == 4 else maps
    scale, shift = {
        "add": (np.ones(()), other),
        "sub": (np.asarray(1.0 if first else -1.0), -other if first else other),
        "rsub": (np.asarray(-1.0), other),
        "mul": (other, np.zeros(())),
        "div": (1 / other, np.zeros(())),
    }[name]
    parts = []
    for part in (scale, shift):
        flat = np.zeros(int(np.prod(maps)))
        flat[traced.places[0].flatten().numpy()] = np.broadcast_to(part, traced.places.shape)[0].reshape(-1)
        by_channel = flat.reshape(maps[0], -1)
        if np.ptp(by_channel, axis=1).any():
            raise UnknownStep("a constant that differs from place to place is added or multiplied")
        parts.append(by_channel[:, 0])
    return Scaled(parts[0], parts[1], maps)


def _pad(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    sizes = list(args[1])
    if len(sizes) > 4 or min(sizes) < 0:
        raise UnknownStep("maps are cut, or padded in other axes than rows and columns")
    left, right, top, bottom = (*sizes, 0, 0)[:4]
    _images(traced, maps)
    return Padded((top, bottom, left, right), float(args[2]) if len(args) > 2 else 0.0, _three(out))


def _relu(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    return Plain("ReLU", (), None, maps)


def _leaky(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    slope = float(args[1]) if len(args) > 1 else 0.01
    return Plain("LeakyReLU", (slope,), None, maps)


def _prelu(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    slopes = numbers(args[1]).reshape(-1)
    if np.ptp(slopes):
        raise UnknownStep("a PReLU has a slope for each channel")
    return Plain("LeakyReLU", (float(slopes[0]),), None, maps)


def _clip(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    low, high = (*args[1:3], None, None)[:2]
    if name == "hardtanh" and len(args) < 3:
        low, high = -1.0, 1.0
    if low is None or isinstance(low, Tensor) or isinstance(high, Tensor):
        raise UnknownStep("maps are clipped from above alone, or by an array")
    if high is None and low == 0:
        return Plain("ReLU", (), None, maps)
    return Plain("clip", (float(low), np.inf if high is None else float(high)), None, maps)


def _pool(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    maps = _images(traced, maps)
    kernel = _pair(args[1])
    stride = _pair(args[2]) if len(args) > 2 and args[2] else kernel
    padding = _pair(args[3]) if len(args) > 3 else (0, 0)
    if name.startswith("max") and len(args) > 4 and _pair(args[4]) != (1, 1):
        raise UnknownStep("a max pooling is dilated")
    average = name.startswith("avg")
    if average and any(padding) and len(args) > 5 and not args[5]:
        raise UnknownStep("an average leaves its padding out")
    return _pooled("average" if average else "max", kernel, stride, padding, maps, out)


def _adaptive(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    maps = _images(traced, maps)
    (height, width), (rows, columns) = maps[1:], _pair(args[1])
    if height % rows or width % columns:
        raise UnknownStep("an adaptive pooling has windows of several sizes")
    kernel = height // rows, width // columns
    return _pooled("average" if "avg" in name else "max", kernel, kernel, (0, 0), maps, out)


def _mean(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    maps = _images(traced, maps)
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


def around_words(around: Around) -> str:
    """Say what is put around maps that are pooled."""
    sizes = around[:1] if len(set(around)) == 1 else around
    return f", padding {', '.join(map(str, sizes))}" if any(around) else ""


def _pair(size: Any) -> tuple[int, int]:
    """Return a size of rows and columns."""
    first, *rest = size if isinstance(size, (tuple, list)) else (size,)
    return int(first), int(rest[0] if rest else first)


_MOVES = {
    "view", "_unsafe_view", "reshape", "permute", "transpose", "t", "squeeze", "unsqueeze", "flatten",
    "expand", "slice", "select", "_reshape_alias",
}  # fmt: skip
_COPIES = {"clone", "detach", "alias", "contiguous", "_to_copy", "lift_fresh"}
_WORDS = {
    "reflection_pad2d": "maps are padded by their reflection",
    "replication_pad2d": "maps are padded by their edges",
    "new_empty": "maps are padded in a circle, or written into piece by piece",
    "cat": "results of several layers are put side by side",
}
_RULES: dict[str, Callable[[str, list[Any], Traced, Maps, Tensor], Step]] = {
    "convolution": _convolution,
    "addmm": _addmm,
    "mm": _mm,
    "native_batch_norm": _norm,
    "_native_batch_norm_legit_no_training": _norm,
    **dict.fromkeys(("add", "sub", "rsub", "mul", "div"), _constant),
    "relu": _relu,
    "leaky_relu": _leaky,
    "_prelu_kernel": _prelu,
    **dict.fromkeys(("hardtanh", "clamp", "clamp_min"), _clip),
    **dict.fromkeys(("avg_pool2d", "max_pool2d_with_indices", "max_pool2d"), _pool),
    **dict.fromkeys(("_adaptive_avg_pool2d", "adaptive_max_pool2d"), _adaptive),
    **dict.fromkeys(("mean", "amax"), _mean),
    "constant_pad_nd": _pad,
}
