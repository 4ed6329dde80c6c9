"""Reading ONNX files as torch modules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from divulge.errors import UnsupportedModel
from divulge.victims.onnx_operations import HINTS, RULES


def read_onnx(path: Path) -> tuple[nn.Module, tuple[int, ...]]:
    """Return the model in an ONNX file as a torch module, and the shape of one input.

    Raises:
        UnsupportedModel: the file is no ONNX model, holds an operation that is neither in
            `divulge.victims.onnx_operations.RULES` nor computes a constant, or does not have one input with a
            batch axis and one output; or the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise UnsupportedModel("reading ONNX files needs the package onnx: pip install onnx") from error
    try:
        model = onnx.load(path)
    except Exception as error:
        raise UnsupportedModel(f"{path.name} is no ONNX model: {error}") from error
    reader = Reader(model, path.name)
    return reader.module(), reader.input_shape


class Reader:
    """Translates one ONNX graph into a torch.fx graph, node by node."""

    def __init__(self, model: Any, name: str) -> None:
        from onnx import numpy_helper

        self.name = name
        self.model = model
        self.onnx_graph = model.graph
        self.constants = {t.name: np.array(numpy_helper.to_array(t)) for t in self.onnx_graph.initializer}
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
        self.graph.output(self.tensor(self.onnx_graph.output[0].name))
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
        """Add one ONNX node to the graph; one that reads constants alone is computed here and now."""
        from onnx import helper

        if node.op_type == "Shape" and node.input[0] not in self.constants:
            self.constants[node.output[0]] = self._shape(node)
            return
        if all(name in self.constants for name in node.input if name):
            self._fold(node)
            return
        rule = RULES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if rule is None:
            known = ", ".join(sorted([*RULES, "Constant"]))
            hint = HINTS.get(node.op_type, f"is not among the operations that can be read ({known})")
            raise self.refuse(node, hint)
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        self.nodes[node.output[0]] = rule(self, node, attributes)

    def _fold(self, node: Any) -> None:
        """Compute a node whose inputs are all known."""
        from onnx import TensorProto, helper
        from onnx.reference import ReferenceEvaluator

        known = {name: self.constants[name] for name in node.input if name}
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for name, a in known.items()
        ]
        outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.output]
        graph = helper.make_graph([node], "constant", inputs, outputs)
        model = helper.make_model(graph, opset_imports=self.model.opset_import)
        try:
            results = ReferenceEvaluator(model).run(None, known)
        except Exception as error:
            raise self.refuse(node, f"cannot be computed: {error}") from error
        self.constants.update(zip(node.output, map(np.asarray, results), strict=True))

    def _shape(self, node: Any) -> np.ndarray[Any, Any]:
        """Return the shape of a result with 0 for the batch, by which a Reshape copies that axis."""
        from onnx import shape_inference

        try:
            graph = shape_inference.infer_shapes(self.model).graph
        except Exception as error:
            raise self.refuse(node, f"asks for a shape that cannot be found out: {error}") from error
        sizes = {
            info.name: [d.dim_value for d in info.type.tensor_type.shape.dim]
            for info in (*graph.input, *graph.value_info)
        }.get(node.input[0], [])
        if not sizes or min(sizes[1:], default=1) < 1 or node.attribute:
            raise self.refuse(node, "asks for a shape that the file does not tell")
        return np.array([0, *sizes[1:]], np.int64)

    def refuse(self, node: Any, why: str) -> UnsupportedModel:
        """Return the error that names a node and its operation."""
        name = node.name or node.output[0]
        return UnsupportedModel(f"{self.name}: node {name!r} of type {node.op_type} {why}")

    def call(self, function: Callable[..., Any], *args: Any) -> fx.Node:
        """Add a call of a torch function to the graph."""
        return self.graph.call_function(function, args)

    def tensor(self, name: str) -> fx.Node:
        """Return a result of the graph, or a constant put into a buffer."""
        if name not in self.nodes and name in self.constants:
            self.nodes[name] = self.buffer(self.constants[name])
        if name not in self.nodes:
            raise UnsupportedModel(f"{self.name}: nothing computes {name!r}")
        return self.nodes[name]

    def tensors(self, node: Any) -> list[fx.Node]:
        """Return all inputs of an ONNX node."""
        return [self.tensor(name) for name in node.input]

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
