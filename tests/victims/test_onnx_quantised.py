"""Quantised ONNX files: whole numbers of 8 bits give what runtimes give, an input at a time."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from divulge import Victim
from divulge.errors import UnsupportedModelFile

RNG = np.random.default_rng(0)
IMAGE = (3, 6, 7)
NODE = helper.make_node
IN = {"s": np.float32(0.05173), "z": np.uint8(3)}
OUT = {"os": np.float32(0.09371), "oz": np.uint8(120)}
MATRIX = RNG.integers(-100, 100, (7, 5)).astype(np.int8)
FILTERS = RNG.integers(-100, 100, (4, 3, 3, 2)).astype(np.int8)


def between(operation, inputs=("q", "s", "z"), domain="", **attributes):
    """Quantise, run an operation on whole numbers, dequantise."""
    return [
        NODE("QuantizeLinear", ["x", "s", "z"], ["q"]),
        NODE(operation, [*inputs], ["o"], domain=domain, **attributes),
        NODE("DequantizeLinear", ["o", "os", "oz"], ["y"]),
    ]


def dynamic(operation, weight, zeros=("z",), **attributes):
    return [
        NODE("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        NODE(operation, ["q", "w", *zeros], ["i"], **attributes),
        NODE("Cast", ["i"], ["c"], to=1),
        NODE("Mul", ["s", "k"], ["sk"]),
        NODE("Mul", ["c", "sk"], ["y"]),
    ], {"w": weight, "k": np.float32(0.01), "wz": np.int8(2)}


ONE = ("q", "s", "z", "os", "oz")
TWO = ("q", "s", "z", "q", "s", "z", "os", "oz")
MATRICES = {**IN, **OUT, "w": MATRIX, "ws": np.float32(0.02), "wz": np.int8(-4)}
WINDOWS = {
    **IN, **OUT, "w": FILTERS, "ws": np.float32([0.02, 0.01, 0.03, 0.02]), "wz": np.zeros(4, np.int8),
    "b": RNG.integers(-500, 500, 4).astype(np.int32),
}  # fmt: skip


def reshaped():
    """Whole numbers in another shape before the product, and results before they meet the scale."""
    nodes, constants = dynamic("MatMulInteger", MATRIX)
    nodes[1:2] = [
        NODE("Flatten", ["q"], ["f"]),
        NODE("MatMulInteger", ["f", "w", "z"], ["j"]),
        NODE("Reshape", ["j", "shape"], ["i"]),
    ]
    wide = RNG.integers(-100, 100, (126, 6)).astype(np.int8)
    return nodes, constants | {"w": wide, "shape": np.array([0, -1, 3], np.int64)}


CASES = {
    "dynamic product": dynamic("MatMulInteger", MATRIX),
    "dynamic product of other shapes": reshaped(),
    "dynamic product with zeros": dynamic("MatMulInteger", MATRIX, ("z", "wz")),
    "dynamic convolution": dynamic("ConvInteger", FILTERS, pads=[1, 0, 1, 1], strides=[1, 2]),
    "product": (between("QLinearMatMul", ("q", "s", "z", "w", "ws", "wz", "os", "oz")), MATRICES),
    "convolution": (
        between("QLinearConv", ("q", "s", "z", "w", "ws", "wz", "os", "oz", "b"), pads=[1, 1, 0, 2]),
        WINDOWS,
    ),
}
RUNTIME = {
    "sum": (between("QLinearAdd", TWO, "com.microsoft"), {**IN, **OUT}),
    "product of entries": (between("QLinearMul", TWO, "com.microsoft"), {**IN, **OUT}),
    "sigmoid": (between("QLinearSigmoid", ONE, "com.microsoft"), {**IN, **OUT}),
    "leaky": (between("QLinearLeakyRelu", ONE, "com.microsoft", alpha=0.2), {**IN, **OUT}),
    "means": (between("QLinearGlobalAveragePool", ONE, "com.microsoft", channels_last=0), {**IN, **OUT}),
    "joined": (
        between("QLinearConcat", ("os", "oz", "q", "s", "z", "q", "s", "z"), "com.microsoft", axis=1),
        {**IN, **OUT},
    ),
}


def written(path, nodes, constants, shape=IMAGE):
    """Write a model whose last result is flattened."""
    nodes = [*nodes, NODE("Flatten", ["y"], ["out"])]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, ("n", *shape))],
        [value("out", TensorProto.FLOAT, ("n", None))],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 19), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 8
    onnx.save(model, path)
    return path


def asked(shape=IMAGE):
    return (2 * RNG.normal(size=(6, *shape))).astype(np.float32)


@pytest.mark.parametrize("name", CASES)
def test_torch_says_what_the_reference_says_of_each_input(tmp_path, name):
    path = written(tmp_path / "m.onnx", *CASES[name])
    x, model = asked(), ReferenceEvaluator(onnx.load(path))
    told = np.concatenate([model.run(None, {"x": one[None]})[0] for one in x])
    np.testing.assert_allclose(Victim.from_onnx(path).values(x), told, atol=1e-5)


@pytest.mark.parametrize("name", [*CASES, *RUNTIME])
def test_onnxruntime_says_the_same_of_each_input(tmp_path, name):
    runtime = pytest.importorskip("onnxruntime")
    path = written(tmp_path / "m.onnx", *(CASES | RUNTIME)[name])
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session, x = runtime.InferenceSession(path, options), asked()
    told = np.concatenate([session.run(None, {"x": one[None]})[0] for one in x])
    np.testing.assert_allclose(Victim.from_onnx(path).values(x), told, atol=1e-5)


@pytest.mark.parametrize("rounds", [True, False])
def test_gemm_of_whole_numbers(tmp_path, rounds):
    runtime = pytest.importorskip("onnxruntime")
    constants = {**MATRICES, "w": MATRIX.T.copy(), "wz": np.int8(0), "b": np.arange(5, dtype=np.int32) * 100}
    inputs = ("q", "s", "z", "w", "ws", "wz", "b", *(("os", "oz") if rounds else ()))
    nodes = between("QGemm", inputs, "com.microsoft", transB=1)
    if not rounds:
        nodes = [nodes[0], NODE("QGemm", [*inputs], ["y"], domain="com.microsoft", transB=1)]
    path = written(tmp_path / "m.onnx", nodes, constants, (7,))
    x = asked((7,))
    told = runtime.InferenceSession(path).run(None, {"x": x})[0]
    np.testing.assert_allclose(Victim.from_onnx(path).values(x), told, atol=1e-5)


def test_an_input_of_zeros_has_a_range_of_none(tmp_path):
    path = written(tmp_path / "m.onnx", *CASES["dynamic product"])
    np.testing.assert_array_equal(Victim.from_onnx(path).values(np.zeros((2, *IMAGE))), 0)


def test_neighbours_do_not_change_the_range_of_an_input(tmp_path):
    victim = Victim.from_onnx(written(tmp_path / "m.onnx", *CASES["dynamic product"]))
    x = asked()
    np.testing.assert_allclose(victim.values(np.concatenate([x, 100 * x]))[:6], victim.values(x), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"oz": np.uint16(120)}, "a result of type uint16"),
        ({"oz": np.array([1, 2], np.uint8)}, "2 zeros"),
    ],
)
def test_results_that_are_not_of_8_bits_are_refused(tmp_path, change, message):
    nodes, constants = CASES["product"]
    path = written(tmp_path / "m.onnx", nodes, constants | change)
    with pytest.raises(UnsupportedModelFile, match=message):
        Victim.from_onnx(path)


def test_a_file_of_onnxruntimes_own_quantiser(tmp_path):
    quantization = pytest.importorskip("onnxruntime.quantization")
    runtime = pytest.importorskip("onnxruntime")
    nodes = [
        NODE("MatMul", ["x", "a"], ["h"]),
        NODE("Relu", ["h"], ["r"]),
        NODE("MatMul", ["r", "b"], ["y"]),
    ]
    made = {name: RNG.normal(size=size).astype(np.float32) for name, size in (("a", (7, 9)), ("b", (9, 4)))}
    path = written(tmp_path / "m.onnx", nodes, made, (7,))
    quantization.quantize_dynamic(path, tmp_path / "q.onnx")
    x, session = asked((7,)), runtime.InferenceSession(tmp_path / "q.onnx")
    told = np.concatenate([session.run(None, {"x": one[None]})[0] for one in x])
    np.testing.assert_allclose(Victim.from_file(tmp_path / "q.onnx").values(x), told, atol=1e-5)
