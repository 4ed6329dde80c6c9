"""ONNX operations that are no linear layers and ReLUs: read so that torch can run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx

from divulge.victims import onnx_functions as functions
from divulge.victims.onnx_resize import BEND, COORDINATES, MODES, ROUNDINGS, resized
from divulge.victims.onnx_windows import WINDOW, windows, words

if TYPE_CHECKING:
    from divulge.victims.onnx_reader import Reader

Rule = Callable[["Reader", Any, dict[str, Any]], Any]


def _axis(reader: Reader, node: Any, axis: int) -> int:
    """An axis that is not the batch's."""
    if axis == 0:
        raise reader.refuse(node, "works along the batch axis")
    return axis


def _numbers(reader: Reader, node: Any, attributes: dict[str, Any], name: str, place: int) -> Any:
    """Whole numbers that are an input from some version on, and an attribute before; None where not given."""
    if len(node.input) > place and node.input[place]:
        return tuple(int(n) for n in reader.constant(node, place).reshape(-1))
    found = attributes.get(name)
    return None if found is None else tuple(int(n) for n in found)


def _conv(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    weight = reader.constant(node, 1)
    strides, pads, dilations, auto = windows(reader, node, attributes, weight.ndim - 2)
    x, kernel, *bias = reader.tensors(node)
    groups = attributes.get("group", 1)
    return reader.call(
        functions.convolve, x, kernel, next(iter(bias), None), strides, pads, dilations, groups, auto
    )


def _max_pool(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    kernel, strides, pads, dilations, auto = _pool(reader, node, attributes)
    return reader.call(functions.max_pool, reader.tensors(node)[0], kernel, strides, pads, dilations, auto)


def _mean_pool(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    kernel, strides, pads, dilations, auto = _pool(reader, node, attributes)
    if any(dilation != 1 for dilation in dilations):
        raise reader.refuse(node, f"has dilations {dilations}")
    counts = bool(attributes.get("count_include_pad", 0))
    return reader.call(functions.mean_pool, reader.tensors(node)[0], kernel, strides, pads, auto, counts)


def _pool(
    reader: Reader, node: Any, attributes: dict[str, Any]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], str]:
    kernel = tuple(attributes.get("kernel_shape", ()))
    if attributes.get("ceil_mode", 0) or attributes.get("storage_order", 0) or len(node.output) > 1:
        raise reader.refuse(node, "rounds sizes up, or tells where the largest are")
    strides, pads, dilations, auto = windows(reader, node, attributes, len(kernel))
    return kernel, strides, pads, dilations, auto


def _pad(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    given: tuple[int, ...] = _numbers(reader, node, attributes, "pads", 1) or ()
    value = attributes.get("value", 0.0)
    if len(node.input) > 2 and node.input[2]:
        value = float(reader.constant(node, 2).reshape(-1)[0])
    axes, mode = len(given) // 2, words(attributes, "mode", "constant")
    if (len(node.input) > 3 and node.input[3]) or mode not in ("constant", "reflect", "edge"):
        raise reader.refuse(node, f"pads some axes alone, or in the mode {mode}")
    if given[0] or given[axes]:
        raise reader.refuse(node, "pads the batch axis")
    sizes = tuple(size for axis in reversed(range(axes)) for size in (given[axis], given[axes + axis]))
    return reader.call(functions.pad, reader.tensor(node.input[0]), sizes[:-2], mode, value)


def _softmax(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    old = reader.opset < 13
    axis = _axis(reader, node, attributes.get("axis", 1 if old else -1))
    return reader.call(functions.softmax, reader.tensors(node)[0], axis, old, node.op_type == "LogSoftmax")


def _squeeze(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    axes = _numbers(reader, node, attributes, "axes", 1)
    if axes is None or 0 in axes:
        raise reader.refuse(node, "may take the batch axis away")
    run = functions.squeezed if node.op_type == "Squeeze" else functions.unsqueezed
    return reader.call(run, reader.tensor(node.input[0]), axes)


def _concat(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    return reader.call(functions.joined, _axis(reader, node, attributes["axis"]), *reader.tensors(node))


def _slice(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    starts, ends, axes, steps = (
        _numbers(reader, node, attributes, name, place)
        for place, name in enumerate(("starts", "ends", "axes", "steps"), 1)
    )
    axes = tuple(range(len(starts))) if axes is None else axes
    for axis in axes:
        _axis(reader, node, axis)
    steps = (1,) * len(starts) if steps is None else steps
    return reader.call(functions.sliced, reader.tensor(node.input[0]), starts, ends, axes, steps)


def _split(reader: Reader, node: Any, attributes: dict[str, Any]) -> list[fx.Node]:
    axis = _axis(reader, node, attributes.get("axis", 0))
    sizes, x = _numbers(reader, node, attributes, "split", 1), reader.tensor(node.input[0])
    count = len(node.output)
    if sizes is None:
        return [reader.call(functions.even_part, x, axis, i, count) for i in range(count)]
    firsts = np.cumsum((0, *sizes)).tolist()
    return [reader.call(functions.part, x, axis, firsts[i], sizes[i]) for i in range(count)]


def _gather(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    index, axis = reader.constant(node, 1), _axis(reader, node, attributes.get("axis", 0))
    if index.ndim > 1:
        raise reader.refuse(node, f"takes entries of shape {index.shape}")
    places = tuple(int(i) for i in index.reshape(-1))
    return reader.call(functions.taken, reader.tensor(node.input[0]), axis, places, index.ndim == 0)


def _cast(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    dtype = {1: torch.float32, 11: torch.float64}.get(attributes.get("to", 0))
    if dtype is None:
        raise reader.refuse(node, "converts to another type than float and double")
    return reader.graph.call_method("to", (reader.tensors(node)[0], dtype))


def _reduce(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    axes = _numbers(reader, node, attributes, "axes", 1)
    if not axes or 0 in axes:
        raise reader.refuse(node, "works along the batch axis")
    keep = bool(attributes.get("keepdims", 1))
    return reader.call(functions.reduced, reader.tensor(node.input[0]), node.op_type, axes, keep)


def _resize(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    mode = words(attributes, "mode", "nearest")
    how = words(attributes, "coordinate_transformation_mode", "half_pixel")
    rounding = words(attributes, "nearest_mode", "round_prefer_floor")
    known = mode in MODES and how in COORDINATES and rounding in ROUNDINGS
    if reader.opset < 11 or len(node.input) < 3:
        raise reader.refuse(node, f"is of version {reader.opset}, which has other inputs than those read")
    if not known or attributes.get("antialias", 0):
        smooth = ", antialiased" if attributes.get("antialias", 0) else ""
        raise reader.refuse(node, f"resizes in the mode {mode} with {how}{smooth}")
    sizes, scales = _numbers(reader, node, attributes, "sizes", 3) or (), None
    if not sizes:
        scales = tuple(float(s) for s in reader.constant(node, 2))
        if scales[:2] != (1.0, 1.0) or min(scales) <= 0:
            raise reader.refuse(node, f"scales by {scales}")
    stepwise = mode == "nearest" and how != "asymmetric"
    unsettled = stepwise or (scales is not None and how in ("align_corners", "half_pixel_symmetric"))
    if unsettled and not _whole(scales):  # runtimes do not agree on where the entries lie
        raise reader.refuse(node, f"resizes in the mode {mode} with {how} by no whole number")
    x = reader.tensor(node.input[0])
    if sizes:
        x = reader.call(_of_channels, x, sizes[1])
    spatial = None if scales is None else scales[2:]
    bend = attributes.get("cubic_coeff_a", BEND)
    return reader.call(resized, x, sizes[2:], spatial, mode, how, rounding, bend)


def _whole(scales: tuple[float, ...] | None) -> bool:
    """Whether scales are given as whole numbers."""
    return scales is not None and all(scale == int(scale) for scale in scales)


def _of_channels(x: torch.Tensor, channels: int) -> torch.Tensor:
    """Return x (n, channels, ...), or raise ValueError where it has others."""
    if x.shape[1] != channels:
        raise ValueError(f"it resizes {x.shape[1]} channels to {channels}")
    return x


def _quantize(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    scale = reader.constant(node, 1)
    zero = reader.constant(node, 2) if len(node.input) > 2 else np.zeros((), np.uint8)
    if scale.size != 1 or zero.size != 1:
        raise reader.refuse(node, f"has a scale of shape {scale.shape} for a result")
    x, size = reader.tensor(node.input[0]), reader.tensor(node.input[1])
    offset = float(zero.reshape(-1)[0])
    if node.op_type == "DequantizeLinear":
        return reader.call(functions.dequantized, x, size, offset)
    limits = np.iinfo(zero.dtype)
    return reader.call(functions.quantized, x, size, offset, int(limits.min), int(limits.max))


def _gelu(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    how = words(attributes, "approximate", "none")
    return reader.graph.call_function(F.gelu, (reader.tensors(node)[0],), {"approximate": how})


def _with(function: Callable[..., Any], **defaults: float) -> Rule:
    """A function of a tensor and numbers that are attributes."""

    def rule(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
        numbers = [attributes.get(name, default) for name, default in defaults.items()]
        return reader.call(function, reader.tensors(node)[0], *numbers)

    return rule


def _all(function: Callable[..., Any]) -> Rule:
    return lambda reader, node, attributes: reader.call(function, *reader.tensors(node))


def elu(x: torch.Tensor, alpha: float) -> torch.Tensor:
    """Elu."""
    return F.elu(x, alpha)


def hard_sigmoid(x: torch.Tensor, alpha: float, beta: float) -> torch.Tensor:
    """HardSigmoid."""
    return (alpha * x + beta).clamp(0, 1)


def sloped(x: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """PRelu, of slopes that are stretched as ONNX does it."""
    return torch.relu(x) - slope * torch.relu(-x)


_REDUCED = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare")
MORE_ATTRIBUTES: dict[str, dict[str, str]] = {
    "Conv": {**WINDOW, "group": "INT"},
    "MaxPool": {**WINDOW, "ceil_mode": "INT", "storage_order": "INT"},
    "AveragePool": {**WINDOW, "ceil_mode": "INT", "count_include_pad": "INT"},
    "Pad": {"pads": "INTS", "mode": "STRING", "value": "FLOAT"},
    "Softmax": {"axis": "INT"},
    "LogSoftmax": {"axis": "INT"},
    "Squeeze": {"axes": "INTS"},
    "Unsqueeze": {"axes": "INTS"},
    "Concat": {"axis": "INT"},
    "Slice": {"starts": "INTS", "ends": "INTS", "axes": "INTS"},
    "Split": {"axis": "INT", "split": "INTS", "num_outputs": "INT"},
    "Gather": {"axis": "INT"},
    "Cast": {"to": "INT", "saturate": "INT"},
    **{name: {"axes": "INTS", "keepdims": "INT", "noop_with_empty_axes": "INT"} for name in _REDUCED},
    "Resize": {
        "mode": "STRING", "coordinate_transformation_mode": "STRING", "nearest_mode": "STRING",
        "cubic_coeff_a": "FLOAT", "antialias": "INT",
    },
    "QuantizeLinear": {"axis": "INT", "saturate": "INT"},
    "DequantizeLinear": {"axis": "INT"},
    "LeakyRelu": {"alpha": "FLOAT"},
    "Elu": {"alpha": "FLOAT"},
    "HardSigmoid": {"alpha": "FLOAT", "beta": "FLOAT"},
    "Gelu": {"approximate": "STRING"},
}  # fmt: skip

MORE_RULES: dict[str, Rule] = {
    "Conv": _conv,
    "MaxPool": _max_pool,
    "AveragePool": _mean_pool,
    "GlobalAveragePool": _all(functions.spatial_mean),
    "GlobalMaxPool": _all(functions.spatial_max),
    "Pad": _pad,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "Squeeze": _squeeze,
    "Unsqueeze": _squeeze,
    "Concat": _concat,
    "Slice": _slice,
    "Split": _split,
    "Gather": _gather,
    "Cast": _cast,
    **dict.fromkeys(_REDUCED, _reduce),
    "Resize": _resize,
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _quantize,
    "LeakyRelu": _with(F.leaky_relu, alpha=0.01),
    "Elu": _with(elu, alpha=1.0),
    "HardSigmoid": _with(hard_sigmoid, alpha=0.2, beta=0.5),
    "HardSwish": _all(F.hardswish),
    "Gelu": _gelu,
    "Sigmoid": _all(torch.sigmoid),
    "Tanh": _all(torch.tanh),
    "Softplus": _all(F.softplus),
    "Softsign": _all(F.softsign),
    "Selu": _all(F.selu),
    "PRelu": _all(sloped),
    "Erf": _all(torch.erf),
    "Exp": _all(torch.exp),
    "Log": _all(torch.log),
    "Sqrt": _all(torch.sqrt),
    "Abs": _all(torch.abs),
    "Reciprocal": _all(torch.reciprocal),
    "Pow": _all(torch.pow),
    "Sin": _all(torch.sin),
    "Cos": _all(torch.cos),
    "Min": _all(functions.smallest),
}
