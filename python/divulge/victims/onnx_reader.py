"""Reading ONNX files as torch modules."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from divulge.errors import UnsupportedModel, UnsupportedModelFile
from divulge.files import check_size, first_line, reading
from divulge.victims.onnx_constants import FOLDED, fold
from divulge.victims.onnx_operations import DOMAINS, RULES, attributes_of
from divulge.victims.onnx_quantised import OneByOne
from divulge.victims.onnx_tensors import load_model, read_tensors
from divulge.victims.shapes_first import ShapesFirst

# Inputs that shapes are tried out with; a Victim asks about as many first.
_TRIED = 16


def read_onnx(path: Path) -> tuple[nn.Module, tuple[int, ...]]:
    """Return the model in an ONNX file as a torch module, and the shape of one input.

    Nothing is made that takes more memory than `divulge.files.most_bytes` before it is known to fit, and no
    file is read that is not in the model's folder.

    Raises:
        UnsupportedModelFile: the file is no ONNX model or damaged, holds an operation that is neither in
            `divulge.victims.onnx_operations.RULES` nor computes a constant, or does not have one input with a
            batch axis and one output.
        UnsupportedModel: the package onnx is not installed.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise UnsupportedModel("reading ONNX files needs the package onnx: pip install onnx") from error
    model = load_model(path)
    with reading(path, "ONNX model", UnsupportedModelFile):
        reader = Reader(model, path)
        return reader.module(), reader.input_shape


class Reader:
    """Translates one ONNX graph into a torch.fx graph, node by node."""

    def __init__(self, model: Any, path: Path) -> None:
        self.path = path
        self.model = model
        self.onnx_graph = model.graph
        self.constants = read_tensors(path, self.onnx_graph.initializer)
        self.input_name, self.batch, self.input_shape = self._input()
        self.root = nn.Module()
        self.graph = fx.Graph()
        self.nodes = {self.input_name: self.graph.placeholder("x")}
        self.places: dict[str, str] = {}

    def module(self) -> nn.Module:
        """Translate every node, try the shapes out, and return the finished module."""
        for node in self.onnx_graph.node:
            self._translate(node)
        outputs = self.onnx_graph.output
        if len(outputs) != 1:
            raise self._wrong(f"expected one output, it has {len(outputs)}")
        self.graph.output(self.tensor(outputs[0].name))
        module = fx.GraphModule(self.root, self.graph)
        dtype = next((b.dtype for b in module.buffers() if b.is_floating_point()), torch.float32)
        example = torch.empty(_TRIED, *self.input_shape, dtype=dtype, device="meta")
        ShapesFirst(module, self.path, self.places).run(example)
        ranges = any(node.op_type == "DynamicQuantizeLinear" for node in self.onnx_graph.node)
        return OneByOne(module) if ranges else module

    def _input(self) -> tuple[str, int | None, tuple[int, ...]]:
        """Return name, fixed batch size or None, and the shape of one input."""
        inputs = [i for i in self.onnx_graph.input if i.name not in self.constants]
        if len(inputs) != 1:
            raise self._wrong(f"expected to take one input, it takes {len(inputs)}")
        sizes = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
        if len(sizes) < 2 or min(sizes[1:]) < 1 or sizes[0] < 0:
            raise self._wrong(f"expected to take inputs of shape (n, ...), it takes {tuple(sizes)}")
        check_size(self.path, f"input {inputs[0].name!r}", 8 * _TRIED * prod(sizes[1:]))
        return inputs[0].name, sizes[0] or None, tuple(sizes[1:])

    def _wrong(self, why: str) -> UnsupportedModelFile:
        return UnsupportedModelFile(self.path, "the graph is not one that can be read:", why)

    def _translate(self, node: Any) -> None:
        """Add one ONNX node to the graph; one that reads constants alone is computed here and now."""
        try:
            self._add(node)
        except UnsupportedModelFile:
            raise
        except Exception as error:
            raise self.refuse(node, f"cannot be computed: {first_line(error)}") from error

    def _add(self, node: Any) -> None:
        for name in node.output:
            if name in self.constants or name in self.nodes:
                raise self.refuse(node, f"computes {name!r}, which is there already")
        if node.op_type == "Shape" and node.input[0] not in self.constants:
            self.constants[node.output[0]] = self._shape(node)
            return
        ours = node.domain in ("", "ai.onnx")
        if ours and node.op_type in FOLDED and all(name in self.constants for name in node.input if name):
            self.constants |= fold(self.path, self.place(node), node, self.constants, self.model.opset_import)
            return
        rule = DOMAINS.get(node.domain, {}).get(node.op_type)
        if rule is None:
            known = ", ".join(sorted([*RULES, "Constant"]))
            raise self.refuse(node, f"is not among the operations that can be read ({known})")
        before = set(self.graph.nodes)
        made = rule(self, node, attributes_of(self, node))
        self.nodes |= dict(zip(node.output, made if isinstance(made, list) else [made], strict=False))
        self.places |= {n.name: self.place(node) for n in self.graph.nodes if n not in before}

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

    @property
    def opset(self) -> int:
        """The version of ONNX's own operations."""
        return next((int(o.version) for o in self.model.opset_import if o.domain in ("", "ai.onnx")), 1)

    def place(self, node: Any) -> str:
        """Name a node and its operation."""
        name = node.name or next(iter(node.output), "")
        return f"node {name!r} of type {node.op_type}"

    def refuse(self, node: Any, why: str) -> UnsupportedModelFile:
        """Return the error that names a node and its operation."""
        return UnsupportedModelFile(self.path, self.place(node), why)

    def call(self, function: Callable[..., Any], *args: Any) -> fx.Node:
        """Add a call of a torch function to the graph."""
        return self.graph.call_function(function, args)

    def tensor(self, name: str) -> fx.Node:
        """Return a result of the graph, or a constant put into a buffer."""
        if name not in self.nodes and name in self.constants:
            self.nodes[name] = self.buffer(self.constants[name], name)
        if name not in self.nodes:
            raise UnsupportedModelFile(
                self.path, f"result {name!r}", f"is not there: nothing computes {name!r}"
            )
        return self.nodes[name]

    def tensors(self, node: Any) -> list[fx.Node]:
        """Return all inputs of an ONNX node."""
        return [self.tensor(name) for name in node.input]

    def buffer(self, array: np.ndarray[Any, Any], named: str) -> fx.Node:
        """Keep an array in the module and return a node that reads it.

        Args:
            array: what is kept.
            named: what it is in the file, or is made of.
        """
        if not np.isfinite(array).all():
            raise UnsupportedModelFile(self.path, f"tensor {named!r}", "holds numbers that are not finite")
        name = f"constant_{len(list(self.root.buffers()))}"
        self.root.register_buffer(name, torch.tensor(array))
        return self.graph.get_attr(name)

    def constant(self, node: Any, position: int) -> np.ndarray[Any, Any]:
        """Return a node's input that must be a constant of the file."""
        name = node.input[position]
        if name not in self.constants:
            raise self.refuse(node, f"needs a constant for its input {name!r}")
        return self.constants[name]
