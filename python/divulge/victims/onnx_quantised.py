"""ONNX's operations on whole numbers of 8 bits, here on floats that hold these."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from divulge.victims.onnx_functions import Sizes, convolve, dequantized, joined, quantized
from divulge.victims.onnx_windows import WINDOW, windows

if TYPE_CHECKING:
    from divulge.victims.onnx_reader import Reader

Rule = Callable[["Reader", Any, dict[str, Any]], Any]
STEPS = 255  # of 8 bits


def dynamic(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """DynamicQuantizeLinear: whole numbers, and scale and zero, one for all that is asked about together."""
    low, high = x.detach().amin().clamp(max=0), x.detach().amax().clamp(min=0)
    scale = (high - low) / STEPS
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero = (-low / scale).round().clamp(0, STEPS)
    return quantized(x, scale, zero, 0, STEPS), scale, zero


class OneByOne(nn.Module):
    """Asks a model about each input by itself: neighbours change the range that it quantises by."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs (n, K) of inputs (n, ...)."""
        return torch.cat([self.model(one) for one in torch.split(x, 1)]) if len(x) > 1 else self.model(x)


def _of_filters(numbers: Tensor, axes: int) -> Tensor:
    """One number, or one for each filter, shaped like (filters, ...) with so many axes behind."""
    return numbers if numbers.numel() == 1 else numbers.reshape(-1, *[1] * axes)


def whole_product(a: Tensor, b: Tensor, a_zero: Tensor, b_zero: Tensor) -> Tensor:
    """MatMulInteger; sums are exact in float64."""
    return torch.matmul(a.double() - a_zero.double(), b.double() - b_zero.double())


def whole_convolution(x: Tensor, weight: Tensor, x_zero: Tensor, zero: Tensor, *how: Any) -> Tensor:
    """ConvInteger; what is put around x counts as 0."""
    shifted = weight.double() - _of_filters(zero.double(), weight.ndim - 1)
    return convolve(x.double() - x_zero.double(), shifted, None, *how)


def requantized(
    total: Tensor, a: Tensor, b: Tensor, scale: Tensor, zero: float, low: int, high: int, axes: int
) -> Tensor:
    """Sums of whole numbers in another scale, the product a b over `scale`, rounded once."""
    factor = _of_filters(a * b / scale, axes)
    exact = total.to(factor.dtype) * factor
    return quantized(exact, torch.ones_like(scale), zero, low, high)


def _zero(reader: Reader, node: Any, place: int) -> fx.Node:
    """A zero that may be left out."""
    if len(node.input) > place and node.input[place]:
        return reader.tensor(node.input[place])
    return reader.buffer(np.zeros((), np.uint8), "zero")


def _limits(reader: Reader, node: Any, place: int) -> tuple[float, int, int]:
    """The zero of a result, and its least and largest number."""
    zero = reader.constant(node, place)
    if zero.size != 1 or zero.dtype not in (np.uint8, np.int8):
        raise reader.refuse(node, f"has a result of type {zero.dtype} with {zero.size} zeros")
    limits = np.iinfo(zero.dtype)
    return float(zero.reshape(-1)[0]), int(limits.min), int(limits.max)


def _dynamic(reader: Reader, node: Any, attributes: dict[str, Any]) -> list[fx.Node]:
    found = reader.call(dynamic, reader.tensor(node.input[0]))
    return [reader.call(_part, found, place) for place in range(3)]


def _part(parts: tuple[Tensor, ...], place: int) -> Tensor:
    return parts[place]


def _product(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    a, b = reader.tensor(node.input[0]), reader.tensor(node.input[1])
    return reader.call(whole_product, a, b, _zero(reader, node, 2), _zero(reader, node, 3))


def _how(reader: Reader, node: Any, attributes: dict[str, Any], weight: int) -> tuple[Any, ...]:
    strides, pads, dilations, auto = windows(reader, node, attributes, reader.constant(node, weight).ndim - 2)
    return strides, pads, dilations, attributes.get("group", 1), auto


def _convolution(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    x, weight = reader.tensor(node.input[0]), reader.tensor(node.input[1])
    zeros = _zero(reader, node, 2), _zero(reader, node, 3)
    return reader.call(whole_convolution, x, weight, *zeros, *_how(reader, node, attributes, 1))


def _scaled_product(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    a, a_scale, a_zero, b, b_scale, b_zero, scale, _ = reader.tensors(node)
    total = reader.call(whole_product, a, b, a_zero, b_zero)
    return reader.call(requantized, total, a_scale, b_scale, scale, *_limits(reader, node, 7), 0)


def _scaled_convolution(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    x, x_scale, x_zero, weight, w_scale, w_zero, scale, _, *bias = reader.tensors(node)
    total = reader.call(whole_convolution, x, weight, x_zero, w_zero, *_how(reader, node, attributes, 3))
    axes = reader.constant(node, 3).ndim - 2
    if bias:
        total = reader.call(torch.add, total, reader.call(_of_filters, bias[0], axes))
    return reader.call(requantized, total, x_scale, w_scale, scale, *_limits(reader, node, 7), axes)


def _scaled_gemm(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    """QGemm of onnxruntime: rounded where a scale of the result is told, else floats."""
    if attributes.get("transA", 0) or attributes.get("alpha", 1.0) != 1.0:
        raise reader.refuse(node, "has transA = 1, or alpha that is not 1")
    names = [*node.input, *[""] * (9 - len(node.input))]
    a, a_scale, a_zero, b, b_scale, b_zero = (reader.tensor(name) for name in names[:6])
    if attributes.get("transB", 0):
        b = reader.call(torch.t, b)
    total = reader.call(whole_product, a, b, a_zero, b_zero)
    if names[6]:
        total = reader.call(torch.add, total, reader.tensor(names[6]))
    if not names[7]:
        size = reader.call(torch.mul, a_scale, b_scale)
        return reader.call(dequantized, reader.call(_like, total, size), size, 0.0)
    scale = reader.tensor(names[7])
    return reader.call(requantized, total, a_scale, b_scale, scale, *_limits(reader, node, 8), 0)


def _like(total: Tensor, size: Tensor) -> Tensor:
    return total.to(size.dtype)


def _floats(reader: Reader, node: Any, first: int) -> fx.Node:
    """A whole-number input with scale and zero behind it, as floats."""
    zero = float(reader.constant(node, first + 2).reshape(-1)[0])
    x, size = reader.tensor(node.input[first]), reader.tensor(node.input[first + 1])
    return reader.call(dequantized, x, size, zero)


def _between(run: Callable[..., Any], inputs: int) -> Rule:
    """An operation on floats between whole numbers: inputs with scale and zero, then those of the result."""

    def rule(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
        found = reader.call(run, *(_floats(reader, node, 3 * i) for i in range(inputs)), *attributes.values())
        scale = reader.tensor(node.input[3 * inputs])
        return reader.call(quantized, found, scale, *_limits(reader, node, 3 * inputs + 1))

    return rule


def _joined(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    """QLinearConcat of onnxruntime, whose scale and zero come first."""
    parts = [_floats(reader, node, first) for first in range(2, len(node.input), 3)]
    found = reader.call(joined, attributes["axis"], *parts)
    return reader.call(quantized, found, reader.tensor(node.input[0]), *_limits(reader, node, 1))


def _sloped(x: Tensor, alpha: float = 0.01) -> Tensor:
    return F.leaky_relu(x, alpha)


def _means(x: Tensor, channels_last: int = 0) -> Tensor:
    if channels_last:
        raise ValueError("it has channels last")
    axes: Sizes = tuple(range(2, x.ndim))
    return x.mean(axes, True)


WHOLE_ATTRIBUTES: dict[str, dict[str, str]] = {
    "ConvInteger": {**WINDOW, "group": "INT"},
    "QLinearConv": {**WINDOW, "group": "INT"},
    "QGemm": {"alpha": "FLOAT", "transA": "INT", "transB": "INT"},
    "QLinearLeakyRelu": {"alpha": "FLOAT"},
    "QLinearGlobalAveragePool": {"channels_last": "INT"},
    "QLinearConcat": {"axis": "INT"},
}
WHOLE_RULES: dict[str, Rule] = {
    "DynamicQuantizeLinear": _dynamic,
    "MatMulInteger": _product,
    "ConvInteger": _convolution,
    "QLinearMatMul": _scaled_product,
    "QLinearConv": _scaled_convolution,
}
# Of onnxruntime's own domain, that its quantiser writes.
RUNTIME_RULES: dict[str, Rule] = {
    "QGemm": _scaled_gemm,
    "QLinearAdd": _between(torch.add, 2),
    "QLinearMul": _between(torch.mul, 2),
    "QLinearSigmoid": _between(torch.sigmoid, 1),
    "QLinearLeakyRelu": _between(_sloped, 1),
    "QLinearGlobalAveragePool": _between(_means, 1),
    "QLinearConcat": _joined,
}
