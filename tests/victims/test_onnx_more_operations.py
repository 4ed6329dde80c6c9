"""Operations beyond linear layers and ReLUs: torch runs what the file says, as ONNX's reference does."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from divulge import GradientOracle, LabelOracle, ProbabilityOracle, Victim
from divulge.errors import UnsupportedModelFile

RNG = np.random.default_rng(0)
IMAGE = (3, 7, 6)


def number(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def whole(*values):
    return np.array(values, np.int64)


def graph(path, nodes, constants, shape, opset):
    """Write a model whose last result is flattened."""
    nodes = [*nodes, helper.make_node("Flatten", [nodes[-1].output[0]], ["out"])]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", *shape))],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, ("n", None))],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
    )
    model.ir_version = 8
    onnx.save(model, path)
    return path


def one(operation, *constants, **attributes):
    """A node that reads x and constants."""
    names = [f"c{i}" for i in range(len(constants))]
    return [helper.make_node(operation, ["x", *names], ["y"], **attributes)], dict(
        zip(names, constants, strict=True)
    )


def quantized():
    """A result and a weight for each filter, in 8 bits."""
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["dw"], axis=0),
        node("Conv", ["d", "dw"], ["y"]),
    ]
    weight = RNG.integers(-100, 100, (4, 3, 3, 3)).astype(np.int8)
    scales = np.float32([0.01, 0.02, 0.03, 0.04])
    made = {"s": np.float32(0.03), "z": np.uint8(128), "w": weight, "ws": scales, "wz": np.zeros(4, np.int8)}
    return nodes, made


def split(**attributes):
    node = helper.make_node
    return [
        node("Split", ["x"], ["a", "b", "c"], axis=1, **attributes),
        node("Concat", ["c", "a", "b"], ["y"], axis=1),
    ], {}


CASES = {
    "conv": one("Conv", number(4, 3, 3, 3), number(4), pads=[1, 0, 2, 1], strides=[2, 1], dilations=[1, 2]),
    "conv, groups": one("Conv", number(6, 1, 3, 2), group=3),
    "conv, same": one("Conv", number(4, 3, 3, 2), auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv, same below": one("Conv", number(4, 3, 4, 3), auto_pad="SAME_LOWER"),
    "max pool": one("MaxPool", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1]),
    "mean pool": one("AveragePool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
    "mean pool with padding": one("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "means": one("GlobalAveragePool"),
    "maxima": one("GlobalMaxPool"),
    "pad": one("Pad", whole(0, 0, 1, 2, 0, 1, 0, 3), np.float32(0.7)),
    "pad, reflected": one("Pad", whole(0, 0, 1, 2, 0, 0, 0, 3), mode="reflect"),
    "pad, edge": one("Pad", whole(0, 0, 1, 2, 0, 0, 0, 3), mode="edge"),
    "softmax": one("Softmax", axis=-1),
    "log-softmax": one("LogSoftmax", axis=1),
    "slice": one("Slice", whole(1, 4), whole(3, 0), whole(1, -1), whole(1, -2)),
    "split": split(),
    "gather": one("Gather", whole(2, 0, -1), axis=2),
    "gather one": one("Gather", np.array(1), axis=1),
    "unsqueeze": one("Unsqueeze", whole(1, 3)),
    "mean": one("ReduceMean", axes=[2, 3], keepdims=0),
    "sum": one("ReduceSum", whole(1), keepdims=1),
    "norm": one("ReduceL2", axes=[-1]),
    "largest": one("ReduceMax", axes=[1]),
    "resize": one("Resize", np.zeros(0, np.float32), np.float32([1, 1, 2, 3]), mode="nearest",
                  nearest_mode="floor", coordinate_transformation_mode="asymmetric"),
    "resize, linear": one("Resize", np.zeros(0, np.float32), np.float32([1, 1, 2, 2]), mode="linear"),
    "resize, cubic": one("Resize", np.zeros(0, np.float32), np.float32([1, 1, 1.5, 2.5]), mode="cubic"),
    "resize, smaller": one("Resize", np.zeros(0, np.float32), np.float32([1, 1, 0.6, 0.5]), mode="cubic",
                           cubic_coeff_a=-0.5),
    "resize, from 0": one("Resize", np.zeros(0, np.float32), np.float32([1, 1, 2, 3]), mode="cubic",
                          coordinate_transformation_mode="asymmetric"),
    "cast": one("Cast", to=1),
    "clip": one("Clip", np.float32(-0.5), np.float32(0.5)),
    "max": one("Max", number(6)),
    "min": one("Min", number(6)),
    "leaky": one("LeakyRelu", alpha=0.2),
    "prelu": one("PRelu", number(3, 1, 1)),
    "elu": one("Elu", alpha=0.7),
    "selu": one("Selu"),
    "hard sigmoid": one("HardSigmoid"),
    "hard swish": one("HardSwish"),
    "softplus": one("Softplus"),
    "sigmoid": one("Sigmoid"),
    "tanh": one("Tanh"),
    "erf": one("Erf"),
    "power": one("Pow", np.float32(2)),
    "8 bits": quantized(),
}  # fmt: skip


def reference(path, x):
    return ReferenceEvaluator(onnx.load(path)).run(None, {"x": x})[0]


@pytest.mark.parametrize("name", CASES)
def test_torch_says_what_the_file_says(tmp_path, name):
    path = graph(tmp_path / "m.onnx", *CASES[name], IMAGE, 19 if name == "8 bits" else 17)
    x = number(5, *IMAGE)
    victim = Victim.from_onnx(path)
    np.testing.assert_allclose(victim.values(x), reference(path, x), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(victim.values(x)[2:3], victim.values(x[2:3]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_onnxruntime_says_the_same(tmp_path, name):
    runtime = pytest.importorskip("onnxruntime")
    path = graph(tmp_path / "m.onnx", *CASES[name], IMAGE, 17)
    x = number(5, *IMAGE)
    told = runtime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    np.testing.assert_allclose(Victim.from_onnx(path).values(x), told, rtol=1e-5, atol=1e-5)


def test_softmax_of_old_files_is_over_all_axes(tmp_path):
    path = graph(tmp_path / "m.onnx", *one("Softmax"), IMAGE, 11)
    values = Victim.from_onnx(path).values(number(4, *IMAGE))
    np.testing.assert_allclose(values.sum(axis=1), 1, rtol=1e-5)


def test_a_classifier_with_a_softmax_has_labels_probabilities_and_gradients(tmp_path):
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w", "b"], ["1"], pads=[1, 1, 1, 1]),
        node("Relu", ["1"], ["2"]),
        node("MaxPool", ["2"], ["3"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["3"], ["4"]),
        node("Gemm", ["4", "v"], ["5"]),
        node("Softmax", ["5"], ["y"], axis=1),
    ]
    constants = {"w": number(4, 3, 3, 3), "b": number(4), "v": number(36, 3)}
    path = graph(tmp_path / "m.onnx", nodes, constants, IMAGE, 17)
    victim, x = Victim.from_onnx(path), number(9, *IMAGE)
    told, flat = reference(path, x), x.reshape(9, -1)
    assert not victim.lowered
    assert victim.tells_probabilities
    np.testing.assert_allclose(ProbabilityOracle(victim).probabilities(flat), told, atol=1e-5)
    np.testing.assert_array_equal(LabelOracle(victim).explain(flat).labels, told.argmax(axis=1))
    assert np.abs(GradientOracle(victim).query(flat)[1]).max() > 0


COORDINATES = ["half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric"]
ROUNDINGS = ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]


@pytest.mark.parametrize("scales", [(2, 3), (1.5, 1.25), (0.5, 0.7), None])
@pytest.mark.parametrize("how", COORDINATES)
@pytest.mark.parametrize(("mode", "rounding"), [*(("nearest", r) for r in ROUNDINGS), ("linear", "floor")])
def test_resize_by_every_rule(tmp_path, mode, how, rounding, scales):
    given = [np.float32([1, 1, *scales])] if scales else [np.zeros(0, np.float32), whole(3, 3, 9, 4)]
    nodes, constants = one(
        "Resize", np.zeros(0, np.float32), *given,
        mode=mode, coordinate_transformation_mode=how, nearest_mode=rounding,
    )  # fmt: skip
    path = graph(tmp_path / "m.onnx", nodes, constants, IMAGE, 19)
    x = number(3, *IMAGE)
    settled = how == "asymmetric" or (
        mode == "linear" and (how in ("half_pixel", "pytorch_half_pixel") or not scales)
    )
    if not settled and scales != (2, 3):
        with pytest.raises(UnsupportedModelFile, match=f"{mode} with {how} by no whole number"):
            Victim.from_onnx(path)
        return
    assert Victim.from_onnx(path).values(x) == pytest.approx(reference(path, x), abs=1e-4)


@pytest.mark.parametrize(
    "nodes",
    [
        one("Resize", np.zeros(0, np.float32), np.float32([1, 1, 0.5, 0.5]), mode="linear", antialias=1),
        one("Resize", np.zeros(0, np.float32), np.zeros(0, np.float32), whole(3, 4, 9, 4), mode="linear"),
        one("MaxPool", kernel_shape=[2, 2], auto_pad="SAME_UPPER", dilations=[2, 1]),
    ],
)
def test_what_runtimes_do_otherwise_is_refused(tmp_path, nodes):
    with pytest.raises(UnsupportedModelFile, match="y"):
        Victim.from_onnx(graph(tmp_path / "m.onnx", *nodes, IMAGE, 18))


def test_zeros_of_a_larger_shape_stretch_a_maximum(tmp_path):
    path = graph(tmp_path / "m.onnx", *one("Max", np.zeros((4, 1), np.float32)), (1, 6), 18)
    x = number(3, 1, 6)
    assert Victim.from_onnx(path).values(x) == pytest.approx(reference(path, x))
