"""What each ONNX operation is in torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx

from divulge.victims.onnx_functions import largest
from divulge.victims.onnx_more_operations import MORE_ATTRIBUTES, MORE_RULES
from divulge.victims.onnx_quantised import RUNTIME_RULES, WHOLE_ATTRIBUTES, WHOLE_RULES

if TYPE_CHECKING:
    from divulge.victims.onnx_reader import Reader


def _elementwise(function: Callable[..., Any]) -> Callable[..., fx.Node]:
    return lambda reader, node, attributes: reader.call(function, *reader.tensors(node))


def _gemm(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    """Give alpha A B + beta C with B, C constant as a linear layer; A is never transposed."""
    if attributes.get("transA", 0):
        raise reader.refuse(node, "has transA = 1")
    b = reader.constant(node, 1)
    if b.ndim != 2:
        raise reader.refuse(node, f"multiplies by {node.input[1]!r} of shape {b.shape}")
    weight = (b if attributes.get("transB", 0) else b.T) * b.dtype.type(attributes.get("alpha", 1.0))
    args = [reader.tensor(node.input[0]), reader.buffer(weight, node.input[1])]
    if len(node.input) > 2 and node.input[2]:
        c = reader.constant(node, 2)
        if c.size not in (1, len(weight)) or c.shape not in ((), (c.size,), (1, c.size)):
            raise reader.refuse(node, f"adds {node.input[2]!r} of shape {c.shape} to {len(weight)} numbers")
        c = c.reshape(-1) * b.dtype.type(attributes.get("beta", 1.0))
        args.append(reader.buffer(np.broadcast_to(c, (len(weight),)), node.input[2]))
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
    if shape.count(-1) > 1 or min(shape) < -1:
        raise reader.refuse(node, f"reshapes to {shape}")
    x = reader.tensor(node.input[0])
    sizes = [reader.graph.call_method("size", (x, i)) if i == 0 or s == 0 else s for i, s in enumerate(shape)]
    return reader.call(torch.reshape, x, tuple(sizes))


def _transpose(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    order = attributes.get("perm")
    if not order or order[0] != 0:
        raise reader.refuse(node, "moves the batch axis")
    if sorted(order) != list(range(len(order))):
        raise reader.refuse(node, f"reorders axes as {list(order)}")
    return reader.call(torch.permute, reader.tensors(node)[0], tuple(order))


def _clip(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    """Read max(x, 0) in another guise as a ReLU, and other bounds as they are.

    A bound may be an input or, in old files, an attribute.
    """
    named = dict(zip(("x", "min", "max"), node.input, strict=False))
    bounds = [named[key] for key in ("min", "max") if named.get(key)]
    if any(name not in reader.constants or reader.constants[name].size != 1 for name in bounds):
        raise reader.refuse(node, "clips to bounds that are no numbers of the file")
    low, high = (
        float(reader.constants[named[key]].reshape(-1)[0]) if named.get(key) else default
        for key, default in (("min", attributes.get("min", -np.inf)), ("max", attributes.get("max", np.inf)))
    )
    if low != 0 or high < 3e38:
        return reader.call(torch.clamp, reader.tensor(node.input[0]), low, high)
    return reader.call(torch.relu, reader.tensor(node.input[0]))


def _max(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    """Read max(x, 0) as a ReLU, and other maxima as they are."""
    results = [name for name in node.input if name not in reader.constants]
    others = [name for name in node.input if name in reader.constants]
    if len(results) != 1 or any(reader.constants[name].any() for name in others):
        return reader.call(largest, *reader.tensors(node))
    found = reader.call(torch.relu, reader.tensor(results[0]))
    for name in others:  # zeros of a larger shape stretch the result
        if reader.constants[name].size > 1:
            found = reader.call(torch.add, found, reader.tensor(name))
    return found


def _batch_norm(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    if attributes.get("training_mode", 0):
        raise reader.refuse(node, "is in training mode")
    x, scale, bias, mean, var = reader.tensors(node)
    return reader.call(F.batch_norm, x, mean, var, scale, bias, False, 0.1, attributes.get("epsilon", 1e-5))


def _same(reader: Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    return reader.tensor(node.input[0])


# The attributes that each operation may have, with their types; those that do nothing here among them. An old
# meaning, such as the axis along which an Add of 2016 stretched its second input, is in none of them.
ATTRIBUTES: dict[str, dict[str, str]] = {
    "Gemm": {"alpha": "FLOAT", "beta": "FLOAT", "transA": "INT", "transB": "INT"},
    "Flatten": {"axis": "INT"},
    "Reshape": {"allowzero": "INT"},
    "Transpose": {"perm": "INTS"},
    "Clip": {"min": "FLOAT", "max": "FLOAT"},
    "BatchNormalization": {"epsilon": "FLOAT", "momentum": "FLOAT", "training_mode": "INT", "spatial": "INT"},
    "Dropout": {"ratio": "FLOAT", "seed": "INT"},
    **MORE_ATTRIBUTES,
    **WHOLE_ATTRIBUTES,
}


def attributes_of(reader: Reader, node: Any) -> dict[str, Any]:
    """Return a node's attributes by their names, each of the type that its operation takes.

    Raises:
        UnsupportedModelFile: one that the operation does not have, or of another type.
    """
    from onnx import AttributeProto, helper

    known, found = ATTRIBUTES.get(node.op_type, {}), {}
    for attribute in node.attribute:
        kind = AttributeProto.AttributeType.Name(attribute.type)
        if known.get(attribute.name) != kind:
            raise reader.refuse(
                node, f"has an attribute {attribute.name!r} of type {kind}, which is not read"
            )
        found[attribute.name] = helper.get_attribute_value(attribute)
    return found


RULES: dict[str, Callable[..., Any]] = {
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
    **MORE_RULES,
    **WHOLE_RULES,
}
# What each domain of operations has.
DOMAINS = {"": RULES, "ai.onnx": RULES, "com.microsoft": RUNTIME_RULES}
