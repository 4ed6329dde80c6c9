"""Reading ONNX files as torch modules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx, nn

from divulge.errors import UnsupportedModel


def read_onnx(path: Path) -> tuple[nn.Module, tuple[int, ...]]:
    """Return the model in an ONNX file as a torch module, and the shape of one input.

    Raises:
        UnsupportedModel: the file is no ONNX model, holds an operation outside of Gemm, MatMul, Add, Sub,
            Mul, Div, Relu, Flatten, Reshape, Identity, Dropout, BatchNormalization and Constant, or does not
            have one input with a batch axis and one output; or the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise UnsupportedModel("reading ONNX files needs the package onnx: pip install onnx") from error
    try:
        graph = onnx.load(path).graph
    except Exception as error:
        raise UnsupportedModel(f"{path.name} is no ONNX model: {error}") from error
    reader = _Reader(graph, path.name)
    return reader.module(), reader.input_shape


class _Reader:
    """Translates one ONNX graph into a torch.fx graph, node by node."""

    def __init__(self, graph: Any, name: str) -> None:
        from onnx import numpy_helper

        self.name = name
        self.onnx_graph = graph
        self.to_array = numpy_helper.to_array
        self.constants = {t.name: np.array(self.to_array(t)) for t in graph.initializer}
        self.input_name, self.batch, self.input_shape = self._input()
        self.root = nn.Module()
        self.graph = fx.Graph()
        self.nodes = {self.input_name: self.graph.placeholder("x")}

    def module(self) -> nn.Module:
        """Translate every node and return the finished module."""
        for node in self.onnx_graph.node:
            self._translate(node)
        if len(self.onnx_graph.output) != 1:
            raise UnsupportedModel(
                f"expected {self.name} to have one output, it has {len(self.onnx_graph.output)}"
            )
        self.graph.output(self._tensor(self.onnx_graph.output[0].name))
        return fx.GraphModule(self.root, self.graph)

    def _input(self) -> tuple[str, int | None, tuple[int, ...]]:
        """Return name, fixed batch size or None, and the shape of one input."""
        inputs = [i for i in self.onnx_graph.input if i.name not in self.constants]
        if len(inputs) != 1:
            raise UnsupportedModel(f"expected {self.name} to take one input, it takes {len(inputs)}")
        sizes = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
        if len(sizes) < 2 or min(sizes[1:]) < 1:
            raise UnsupportedModel(
                f"expected {self.name} to take inputs of shape (n, ...), it takes {tuple(sizes)}"
            )
        return inputs[0].name, sizes[0] or None, tuple(sizes[1:])

    def _translate(self, node: Any) -> None:
        """Add one ONNX node to the graph."""
        from onnx import helper

        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant" and "value" in attributes:
            self.constants[node.output[0]] = np.array(self.to_array(attributes["value"]))
            return
        rule = _RULES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if rule is None:
            known = ", ".join(sorted([*_RULES, "Constant"]))
            raise self.refuse(node, f"is not among the operations that can be read ({known})")
        self.nodes[node.output[0]] = rule(self, node, attributes)

    def refuse(self, node: Any, why: str) -> UnsupportedModel:
        """Return the error that names a node and its operation."""
        name = node.name or node.output[0]
        return UnsupportedModel(f"{self.name}: node {name!r} of type {node.op_type} {why}")

    def call(self, function: Callable[..., Any], *args: Any) -> fx.Node:
        """Add a call of a torch function to the graph."""
        return self.graph.call_function(function, args)

    def _tensor(self, name: str) -> fx.Node:
        """Return a result of the graph, or a constant put into a buffer."""
        if name not in self.nodes and name in self.constants:
            self.nodes[name] = self.buffer(self.constants[name])
        if name not in self.nodes:
            raise UnsupportedModel(f"{self.name}: nothing computes {name!r}")
        return self.nodes[name]

    def tensors(self, node: Any) -> list[fx.Node]:
        """Return all inputs of an ONNX node."""
        return [self._tensor(name) for name in node.input]

    def buffer(self, array: np.ndarray[Any, Any]) -> fx.Node:
        """Keep an array in the module and return a node that reads it."""
        name = f"constant_{len(list(self.root.buffers()))}"
        self.root.register_buffer(name, torch.tensor(array))
        return self.graph.get_attr(name)

    def constant(self, node: Any, position: int) -> np.ndarray[Any, Any]:
        """Return a node's input that must be a constant of the file."""
        name = node.input[position]
        if name not in self.constants:
            raise self.refuse(node, f"needs a constant for its input {name!r}")
        return self.constants[name]


def _elementwise(function: Callable[..., Any]) -> Callable[..., fx.Node]:
    return lambda reader, node, attributes: reader.call(function, *reader.tensors(node))


def _gemm(reader: _Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
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


def _flatten(reader: _Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    axis = attributes.get("axis", 1)
    if axis != 1:
        raise reader.refuse(node, f"has axis = {axis}; only 1 keeps inputs apart")
    return reader.call(torch.flatten, reader.tensors(node)[0], 1)


def _reshape(reader: _Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    """Reshape that leaves the batch axis alone; 0 copies an axis, as ONNX has it."""
    shape = [int(s) for s in reader.constant(node, 1)]
    if len(shape) < 2 or shape[0] not in (0, -1, reader.batch) or attributes.get("allowzero", 0):
        raise reader.refuse(node, f"reshapes to {shape}, which does not keep the batch axis")
    x = reader._tensor(node.input[0])
    sizes = [reader.graph.call_method("size", (x, i)) if i == 0 or s == 0 else s for i, s in enumerate(shape)]
    return reader.call(torch.reshape, x, tuple(sizes))


def _batch_norm(reader: _Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    if attributes.get("training_mode", 0):
        raise reader.refuse(node, "is in training mode")
    x, scale, bias, mean, var = reader.tensors(node)
    return reader.call(F.batch_norm, x, mean, var, scale, bias, False, 0.1, attributes.get("epsilon", 1e-5))


def _same(reader: _Reader, node: Any, attributes: dict[str, Any]) -> fx.Node:
    return reader._tensor(node.input[0])


_RULES: dict[str, Callable[..., fx.Node]] = {
    "Gemm": _gemm,
    "MatMul": _elementwise(torch.matmul),
    "Add": _elementwise(torch.add),
    "Sub": _elementwise(torch.sub),
    "Mul": _elementwise(torch.mul),
    "Div": _elementwise(torch.div),
    "Relu": _elementwise(torch.relu),
    "Flatten": _flatten,
    "Reshape": _reshape,
    "BatchNormalization": _batch_norm,
    "Dropout": _same,
    "Identity": _same,
}
