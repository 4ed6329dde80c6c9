"""Computing the nodes of an ONNX file that read constants alone, such as shapes and transposed weights."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from divulge.errors import UnsupportedModelFile
from divulge.files import check_size
from divulge.victims.onnx_tensors import read_tensor

Arrays = dict[str, np.ndarray[Any, Any]]

# None of these can run for long: each looks at every number of its result a few times at most.
FOLDED = frozenset({
    "Abs", "Add", "And", "BitShift", "Cast", "CastLike", "Ceil", "Clip", "Concat", "Constant",
    "ConstantOfShape", "DequantizeLinear", "Div", "Equal", "Exp", "Expand", "Flatten", "Floor", "Gather",
    "GatherElements", "GatherND", "Gemm", "Greater", "GreaterOrEqual", "Identity", "Less", "LessOrEqual",
    "Log", "MatMul", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "QuantizeLinear", "Range",
    "Reciprocal", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Relu", "Reshape", "Round", "Shape",
    "Sigmoid", "Sign", "Size", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Tile", "Transpose",
    "Unsqueeze", "Where", "Xor",
})  # fmt: skip
# Constants that may be shapes; of larger ones only the shape matters for what follows.
_FEW = 1024


def fold(path: Path, place: str, node: Any, constants: Arrays, opsets: Any) -> Arrays:
    """Return the results of a node of FOLDED, given the constants that it reads.

    Raises:
        UnsupportedModelFile: its results would take more memory than such a file can ask for, or it fails.
    """
    for attribute in node.attribute:
        if attribute.HasField("t"):
            read_tensor(path, attribute.t)
    if node.op_type == "Constant":
        return {node.output[0]: _constant(path, place, node)}
    if node.op_type == "DequantizeLinear" and all(a.name == "axis" for a in node.attribute):
        return {node.output[0]: _dequantized(path, place, node, constants)}
    known = {name: constants[name] for name in node.input if name}
    model = _model(node, known, opsets)
    for size in _sizes(model, known):
        if size is None:
            raise UnsupportedModelFile(
                path, place, "cannot be computed: nothing tells the size of its result"
            )
        check_size(path, place, size)
    return _run(path, place, node, model, known)


def _dequantized(path: Path, place: str, node: Any, constants: Arrays) -> np.ndarray[Any, Any]:
    """Return (x - zero) scale, with a scale and a zero for all or for each entry along an axis."""
    x, scale, *zero = (constants[name] for name in node.input if name)
    check_size(path, place, x.size * scale.itemsize)
    axis = next((attribute.i for attribute in node.attribute), 1)
    shape = [1] * x.ndim
    if scale.size > 1:
        shape[axis] = scale.size
    offset = zero[0].astype(scale.dtype).reshape(shape) if zero else scale.dtype.type(0)
    return np.asarray((x.astype(scale.dtype) - offset) * scale.reshape(shape))


def _constant(path: Path, place: str, node: Any) -> np.ndarray[Any, Any]:
    """Return the value of a Constant."""
    from onnx import helper

    (attribute,) = node.attribute
    if attribute.name == "value":
        return read_tensor(path, attribute.t)
    kinds = {
        "value_float": np.float32,
        "value_floats": np.float32,
        "value_int": np.int64,
        "value_ints": np.int64,
    }
    if attribute.name not in kinds:
        raise UnsupportedModelFile(path, place, f"holds a {attribute.name}, which is not read")
    return np.array(helper.get_attribute_value(attribute), kinds[attribute.name])


def _model(node: Any, known: Arrays, opsets: Any) -> Any:
    """Return a model of one node; small constants stand in it, so that shapes made of them can be told."""
    from onnx import TensorProto, helper, numpy_helper

    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in known.items()
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.output if name
    ]
    small = [numpy_helper.from_array(a, name) for name, a in known.items() if a.size <= _FEW]
    graph = helper.make_graph([node], "constant", inputs, outputs, small)
    return helper.make_model(graph, opset_imports=opsets)


def _sizes(model: Any, known: Arrays) -> Iterator[int | None]:
    """Yield the bytes of each result, or None where its shape cannot be told beforehand."""
    from onnx import shape_inference

    for info in shape_inference.infer_shapes(model, data_prop=True).graph.output:
        kind = info.type.tensor_type
        told = kind.HasField("shape") and all(d.HasField("dim_value") for d in kind.shape.dim)
        yield 8 * prod(d.dim_value for d in kind.shape.dim) if told else None


def _run(path: Path, place: str, node: Any, model: Any, known: Arrays) -> Arrays:
    from onnx.reference import ReferenceEvaluator

    with np.errstate(all="ignore"):
        results = ReferenceEvaluator(model).run(None, known)
    named = [name for name in node.output if name]
    arrays = dict(zip(named, map(np.asarray, results), strict=True))
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise UnsupportedModelFile(path, place, f"computes {name!r} of type {array.dtype}")
    return arrays
