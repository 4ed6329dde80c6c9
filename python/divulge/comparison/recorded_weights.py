"""What convolutions, dense layers, batch norm and constants do to maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from divulge.arrays import Array
from divulge.comparison.image_steps import Maps, Scaled, Step, Traced, UnknownStep, Weighted
from divulge.comparison.recorded_maps import channels_of, images, numbers, three


def convolution(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """A convolution of rows and columns."""
    weight, bias, stride, padding, dilation, transposed, _, groups = args[1:9]
    if transposed or len(stride) != 2 or args[0] is not traced.tensor:
        raise UnknownStep("a convolution is transposed, of one or three axes, or of computed filters")
    maps = images(traced, maps)
    filters = written_out(numbers(weight), groups, dilation)
    offsets = np.zeros(len(filters)) if bias is None else numbers(bias)
    around = (padding[0], padding[0], padding[1], padding[1])
    return Weighted(filters, offsets, (stride[0], stride[1]), around, maps, three(out))


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


def addmm(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """A dense layer with offsets."""
    if args[1] is not traced.tensor:
        raise UnknownStep("a product with computed weights")
    return _dense(traced, maps, numbers(args[2]).T, numbers(args[0]).reshape(-1))


def mm(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """A dense layer without."""
    if args[0] is not traced.tensor:
        raise UnknownStep("a product with computed weights")
    return _dense(traced, maps, numbers(args[1]).T, np.zeros(args[1].shape[1]))


def norm(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """A batch norm of running statistics."""
    weight, bias, mean, variance = args[1:5]
    training, eps = (False, args[6]) if name.endswith("no_training") else (args[5], args[7])
    if training or mean is None:
        raise UnknownStep("a batch norm takes its batch's own statistics")
    factor = 1 / np.sqrt(numbers(variance) + eps) * (1.0 if weight is None else numbers(weight))
    shift = (0.0 if bias is None else numbers(bias)) - numbers(mean) * factor
    maps = channels_of(traced, maps)
    if len(factor) != maps[0]:
        raise UnknownStep("a batch norm of flattened maps")
    return Scaled(factor, np.broadcast_to(shift, factor.shape), maps)


def constant(name: str, args: list[Any], traced: Traced, maps: Maps, out: Tensor) -> Step:
    """+, -, * or / with a constant."""
    first = args[0] is traced.tensor
    other = numbers(args[1] if first else args[0])
    if name == "div" and not first:
        raise UnknownStep("a division by a result")
    if out.shape != traced.places.shape:
        raise UnknownStep("maps are repeated along a constant")
    maps = images(traced, maps) if traced.places.ndim == 4 else maps
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
