import os
from pathlib import Path

import numpy as np
import pytest
import torch

from divulge import UnsupportedModel, Victim

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

rng = np.random.default_rng(0)


def constant(name, array, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(array, dtype=dtype), name)


def save(path, nodes, constants, shape=("n", 1, 2, 3), outputs=("y",), element=TensorProto.FLOAT):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", element, shape)],
        [helper.make_tensor_value_info(name, element, None) for name in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    onnx.save(model, path)
    return path


def all_operations(dtype=np.float32):
    """Every operation that can be read, in one chain from (n, 1, 2, 3) to (n, 2)."""
    node = helper.make_node
    nodes = [
        node("Sub", ["x", "mean"], ["a"]),
        node("Div", ["a", "std"], ["b"]),
        node("Flatten", ["b"], ["c"]),
        node("Gemm", ["c", "w1", "b1"], ["d"], transB=1, alpha=0.5, beta=2.0),
        node("BatchNormalization", ["d", "scale", "shift", "mu", "var"], ["e"], epsilon=1e-3),
        node("Relu", ["e"], ["f"]),
        node("Identity", ["f"], ["g"]),
        node("Dropout", ["g"], ["h"]),
        node("Reshape", ["h", "shape"], ["i"]),
        node("Constant", [], ["two"], value=constant("two", 2, dtype)),
        node("Mul", ["two", "i"], ["j"]),
        node("MatMul", ["j", "w2"], ["k"]),
        node("Add", ["b2", "k"], ["y"]),
    ]
    arrays = {
        "mean": rng.random((1, 1, 2, 3)), "std": 0.5 + rng.random((2, 3)), "w1": rng.normal(size=(5, 6)),
        "b1": rng.normal(size=5), "scale": rng.normal(size=5), "shift": rng.normal(size=5),
        "mu": rng.normal(size=5), "var": 0.5 + rng.random(5), "w2": rng.normal(size=(5, 2)), "b2": [[1, 2]],
    }  # fmt: skip
    constants = [constant(name, array, dtype) for name, array in arrays.items()]
    return nodes, [*constants, constant("shape", [-1, 5], np.int64)]


@pytest.mark.parametrize(
    ("dtype", "element"), [(np.float32, TensorProto.FLOAT), (np.float64, TensorProto.DOUBLE)]
)
def test_agrees_with_the_reference_evaluator(tmp_path, dtype, element):
    path = save(tmp_path / "all.onnx", *all_operations(dtype), element=element)
    points = rng.normal(size=(20, 1, 2, 3)).astype(dtype)
    (expected,) = ReferenceEvaluator(str(path)).run(None, {"x": points})
    for lower in (True, False):
        victim = Victim.from_onnx(path, lower=lower)
        assert victim.input_shape == (1, 2, 3)
        assert victim.dtype == (torch.float32 if dtype == np.float32 else torch.float64)
        np.testing.assert_allclose(
            victim.values(points), expected, rtol=1e-4 if dtype == np.float32 else 1e-10
        )
    layers = Victim.from_onnx(path).layers
    assert [w.shape for w in layers.weights] == [(5, 6), (2, 5)]


def test_a_skip_connection_runs_through_torch(tmp_path):
    node = helper.make_node
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["b"]), node("Add", ["a", "b"], ["y"])]
    path = save(tmp_path / "skip.onnx", nodes, [constant("w", np.eye(3))], shape=(None, 3))
    victim = Victim.from_onnx(path)
    assert not victim.lowered
    np.testing.assert_array_equal(victim.values([[1, -1, 2]]), [[2, -1, 4]])


def simple(operation, **attributes):
    return [helper.make_node(operation, ["x"], ["y"], name="the_node", **attributes)]


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        (
            simple("Softmax"),
            [],
            "node 'the_node' of type Softmax is not among the operations that can be read",
        ),
        (simple("Relu", domain="my.own"), [], "'the_node' of type Relu is not among"),
        (simple("Flatten", axis=0), [], "axis = 0"),
        (
            [helper.make_node("Reshape", ["x", "s"], ["y"])],
            [constant("s", [6], np.int64)],
            r"reshapes to \[6\]",
        ),
        ([helper.make_node("Reshape", ["x", "x"], ["y"])], [], "needs a constant for its input 'x'"),
        ([helper.make_node("Gemm", ["x", "w"], ["y"], transA=1)], [constant("w", np.eye(3))], "transA = 1"),
        ([helper.make_node("Relu", ["nowhere"], ["y"])], [], "nothing computes 'nowhere'"),
        ([], [], "nothing computes 'y'"),
    ],
)
def test_refuses_with_the_name_of_the_node(tmp_path, nodes, constants, message):
    path = save(tmp_path / "model.onnx", nodes, constants)
    with pytest.raises(UnsupportedModel, match=message):
        Victim.from_onnx(path)


def test_refuses_other_inputs_and_outputs(tmp_path):
    with pytest.raises(UnsupportedModel, match=r"inputs of shape \(n, ...\), it takes \(3,\)"):
        Victim.from_onnx(save(tmp_path / "flat.onnx", simple("Relu"), [], shape=(3,)))
    with pytest.raises(UnsupportedModel, match=r"it takes \(0, 0\)"):
        Victim.from_onnx(save(tmp_path / "free.onnx", simple("Relu"), [], shape=("n", "d")))
    with pytest.raises(UnsupportedModel, match="one output, it has 2"):
        Victim.from_onnx(save(tmp_path / "two.onnx", simple("Relu"), [], outputs=("y", "x")))
    with pytest.raises(UnsupportedModel, match="one input, it takes 0"):
        Victim.from_onnx(save(tmp_path / "none.onnx", simple("Relu"), [constant("x", np.zeros((1, 3)))]))


def test_refuses_a_file_that_is_no_model(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(UnsupportedModel, match=r"broken.onnx is no ONNX model"):
        Victim.from_file(path)


@pytest.mark.parametrize("name", ["ACASXU_1_1", "ACASXU_3_3", "ACASXU_5_9"])
def test_real_networks_agree_with_the_reference_evaluator(name):
    path = Path(os.environ.get("DIVULGE_DATA", "")) / "models" / "acasxu" / f"{name}.onnx"
    if not path.is_file():
        pytest.skip("the ACAS Xu networks are not in $DIVULGE_DATA/models/acasxu")
    victim = Victim.from_file(path)
    assert victim.input_shape == (1, 1, 5)
    assert [w.shape for w in victim.layers.weights] == [(50, 5), *[(50, 50)] * 5, (5, 50)]
    points = rng.normal(size=(10, 1, 1, 5)).astype(np.float32)
    evaluator = ReferenceEvaluator(str(path))
    expected = np.concatenate([evaluator.run(None, {"input": p[None]})[0] for p in points])
    np.testing.assert_allclose(victim.values(points), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
