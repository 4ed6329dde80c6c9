"""What each ONNX operation is in torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx

if TYPE_CHECKING:
    from divulge.victims.onnx_reader import Reader


def _elementwise(function: Callable[..., Any]) -> Callable[..., fx.Node]:
    return lambda reader, node, attributes: reader.call(function, *reader.tensors(node))


def _gemm(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    """Give alpha A B + beta C with B, C constant as a linear layer; A is never transposed."""
    if attributes.get("transA", 0):
        raise reader.refuse(node, "has transA = 1")
    b = reader.constant(node, 1)
    weight = (b if attributes.get("transB", 0) else b.T) * b.dtype.type(attributes.get("alpha", 1.0))
    args = [reader.tensors(node)[0], reader.buffer(weight)]
    if len(node.input) > 2:
        c = reader.constant(node, 2) * b.dtype.type(attributes.get("beta", 1.0))
        args.append(reader.buffer(np.broadcast_to(c.reshape(-1), (len(weight),))))
    return reader.call(F.linear, *args)


def _flatten(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    axis = attributes.get("axis", 1)
    if axis != 1:
        raise reader.refuse(node, f"has axis = {axis}; only 1 keeps inputs apart")
    return reader.call(torch.flatten, reader.tensors(node)[0], 1)


def _reshape(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    """Reshape that leaves the batch axis alone; 0 copies an axis unless allowzero says no."""
    shape = [int(s) for s in reader.constant(node, 1)]
    empty = attributes.get("allowzero", 0) and 0 in shape
    if len(shape) < 2 or shape[0] not in (0, -1, reader.batch) or empty:
        raise reader.refuse(node, f"reshapes to {shape}, which does not keep the batch axis")
    x = reader.tensor(node.input[0])
    sizes = [reader.graph.call_method("size", (x, i)) if i == 0 or s == 0 else s for i, s in enumerate(shape)]
    return reader.call(torch.reshape, x, tuple(sizes))


def _transpose(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    order = attributes.get("perm")
    if order is None or order[0] != 0:
        raise reader.refuse(node, "moves the batch axis")
    return reader.call(torch.permute, reader.tensors(node)[0], tuple(order))


def _clip(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    """Read max(x, 0) in another guise; a bound may be an input or, in old files, an attribute."""
    named = dict(zip(("x", "min", "max"), node.input, strict=False))
    low, high = (
        float(reader.constants[named[key]].reshape(-1)[0]) if named.get(key) in reader.constants else default
        for key, default in (("min", attributes.get("min", -np.inf)), ("max", attributes.get("max", np.inf)))
    )
    if low != 0 or high < 3e38:
        raise reader.refuse(node, f"clips to [{low:g}, {high:g}]; only [0, infinity], a ReLU, can be read")
    return reader.call(torch.relu, reader.tensor(node.input[0]))


def _max(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    """Read max(x, 0)."""
    results = [name for name in node.input if name not in reader.constants]
    if len(results) != 1 or any(reader.constants[n].any() for n in node.input if n in reader.constants):
        raise reader.refuse(node, "is no maximum of one result and 0")
    return reader.call(torch.relu, reader.tensor(results[0]))


def _batch_norm(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    if attributes.get("training_mode", 0):
        raise reader.refuse(node, "is in training mode")
    x, scale, bias, mean, var = reader.tensors(node)
    return reader.call(F.batch_norm, x, mean, var, scale, bias, False, 0.1, attributes.get("epsilon", 1e-5))


def _same(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    return reader.tensor(node.input[0])


RULES: dict[str, Callable[..., fx.Node]] = {
    "Gemm": _gemm,
    "MatMul": _elementwise(torch.matmul),
    "Add": _elementwise(torch.add),
    "Sub": _elementwise(torch.sub),
    "Mul": _elementwise(torch.mul),
    "Div": _elementwise(torch.div),
    "Relu": _elementwise(torch.relu),
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Clip": _clip,
    "Max": _max,
    "Neg": _elementwise(torch.neg),
    "BatchNormalization": _batch_norm,
    "Dropout": _same,
    "Identity": _same,
}

CONVOLUTION = (
    "is a convolution; exact reconstruction is for linear layers and ReLUs: train a surrogate instead"
)

# Why an operation cannot be read, where there is more to say than that.
HINTS = {
    "Conv": CONVOLUTION,
    "Softmax": "gives probabilities: export the model without it, up to the logits",
    "LogSoftmax": "gives log-probabilities: export the model without it, up to the logits",
}
