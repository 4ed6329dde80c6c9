import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

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


def then_a_layer(*nodes_before, **arrays):
    """Nodes and constants of x -> nodes_before -> 'flat' (n, 6) -> a transposed layer -> y (n, 4)."""
    node = helper.make_node
    nodes = [
        *nodes_before,
        node("Transpose", ["w"], ["wt"], perm=[1, 0]),
        node("MatMul", ["flat", "wt"], ["m"]),
    ]
    tail = [node("Constant", [], ["b"], value_floats=[1.0, 2.0, 3.0, 4.0]), node("Add", ["m", "b"], ["y"])]
    constants = [constant("w", rng.normal(size=(4, 6)))]
    constants += [constant(name, a, np.asarray(a).dtype) for name, a in arrays.items()]
    return [*nodes, *tail], constants


@pytest.mark.parametrize(
    "before",
    [
        [("Shape", ["x"], "s"), ("Gather", ["s", "zero"], "n"), ("Unsqueeze", ["n", "axis"], "n1"),
         ("Concat", ["n1", "rest"], "shape", {"axis": 0}), ("Reshape", ["x", "shape"], "flat")],
        [("Reshape", ["x", "free"], "flat", {"allowzero": 1})],
        [("Transpose", ["x"], "t", {"perm": [0, 2, 3, 1]}), ("Flatten", ["t"], "flat")],
        [("Neg", ["x"], "minus"), ("Clip", ["minus", "none"], "r"), ("Flatten", ["r"], "flat")],
        [("Clip", ["x", "none", "big"], "r"), ("Flatten", ["r"], "flat")],
        [("Max", ["none", "x"], "r"), ("Flatten", ["r"], "flat")],
    ],
)  # fmt: skip
@pytest.mark.parametrize("lower", [True, False])
def test_what_exporters_write(tmp_path, before, lower):
    nodes = [helper.make_node(op, reads, [writes], **dict(*rest)) for op, reads, writes, *rest in before]
    arrays = {"zero": np.int64(0), "axis": np.array([0]), "rest": np.array([-1]), "free": np.array([-1, 6])}
    arrays |= {"none": np.float32(0), "big": np.finfo(np.float32).max}
    path = save(tmp_path / "m.onnx", *then_a_layer(*nodes, **arrays))
    points = rng.normal(size=(9, 1, 2, 3)).astype(np.float32)
    (expected,) = ReferenceEvaluator(str(path)).run(None, {"x": points})
    victim = Victim.from_onnx(path, lower=lower)
    assert victim.lowered == lower
    np.testing.assert_allclose(victim.values(points), expected, rtol=1e-4, atol=1e-5)


class Classifier(nn.Module):
    """An ordinary MNIST classifier: normalisation, flattening, two layers."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(784, 12), nn.Linear(12, 10, bias=False)

    def forward(self, x):
        x = (x - 0.1307) / 0.3081
        return self.last(torch.relu(self.first(x.view(x.size(0), -1))))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("axes", [None, {"x": {0: "n"}}])
def test_files_that_torch_exports(tmp_path, dtype, axes):
    module = Classifier().to(dtype).eval()
    x = torch.randn(1, 1, 28, 28, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is torch's older one; it needs no further package
        torch.onnx.export(
            module, (x,), tmp_path / "m.onnx", dynamo=False, input_names=["x"], dynamic_axes=axes
        )
    victim = Victim.from_onnx(tmp_path / "m.onnx")
    assert victim.dtype == dtype
    assert [w.shape for w in victim.layers.weights] == [(12, 784), (10, 12)]
    points = torch.randn(5, 1, 28, 28, dtype=dtype)
    np.testing.assert_allclose(victim.values(points), module(points).detach(), rtol=1e-4, atol=1e-5)


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
            simple("Acosh"),
            [],
            "node 'the_node' of type Acosh is not among the operations that can be read",
        ),
        (simple("Softmax", axis=0), [], "works along the batch axis"),
        (simple("Softmax", axis=-4), [], "works along the batch axis"),
        (simple("ReduceMean", axes=[0, 1]), [], "works along the batch axis"),
        (simple("Cast", to=7), [], "converts to another type than float and double"),
        (simple("MaxPool", kernel_shape=[2], ceil_mode=1), [], "rounds sizes up"),
        (simple("Transpose", perm=[1, 0, 2, 3]), [], "moves the batch axis"),
        (
            [helper.make_node("MatMul", ["a", "b"], ["y"])],
            [constant("a", np.ones((2, 3))), constant("b", np.ones((2, 3)))],
            "of type MatMul cannot be computed",
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
    with pytest.raises(UnsupportedModel, match=r"broken.onnx: the file is damaged, or no ONNX model"):
        Victim.from_file(path)


def test_all_acas_xu_networks_agree_with_the_reference_evaluator():
    folder = Path(os.environ.get("DIVULGE_DATA", "")) / "models" / "acasxu"
    paths = sorted(folder.glob("*.onnx"))
    if not paths:
        pytest.skip("the ACAS Xu networks are not in $DIVULGE_DATA/models/acasxu")
    assert len(paths) == 45
    for path in paths:
        victim = Victim.from_file(path)
        assert victim.input_shape == (1, 1, 5)
        assert [w.shape for w in victim.layers.weights] == [(50, 5), *[(50, 50)] * 5, (5, 50)]
        points = rng.normal(size=(2, 1, 1, 5)).astype(np.float32)
        evaluator = ReferenceEvaluator(str(path))
        expected = np.concatenate([evaluator.run(None, {"input": p[None]})[0] for p in points])
        np.testing.assert_allclose(
            victim.values(points), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max()
        )
