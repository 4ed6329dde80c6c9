"""ONNX files damaged in their bytes and in their structure: refused with one class, or they work."""

import numpy as np
import pytest
from damage import damaged, outcome

from divulge import UnsupportedModelFile, Victim

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
from onnx import AttributeProto, TensorProto, helper, numpy_helper  # noqa: E402

HUGE = (-1, -(2**40), 0, 2**20, 2**31, 2**40, 2**62)


def constant(name, array, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(array, dtype=dtype), name)


def model(nodes, constants, shape=("n", 1, 2, 3), opset=17):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 10
    return made


def with_every_operation():
    """Every operation that is read, and constants computed in the file."""
    node, rng = helper.make_node, np.random.default_rng(0)
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["first"]),
        node("Unsqueeze", ["first", "axis"], ["batch"]),
        node("Concat", ["batch", "rest"], ["shape"], axis=0),
        node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]),
        node("Reshape", ["t", "shape"], ["flat"]),
        node("Gemm", ["flat", "w1", "b1"], ["a"], transB=1, alpha=0.5, beta=2.0),
        node("BatchNormalization", ["a", "scale", "shift", "mu", "var"], ["b"], epsilon=1e-3),
        node("Relu", ["b"], ["c"]),
        node("Dropout", ["c"], ["d"]),
        node("Clip", ["d", "none"], ["e"]),
        node("Max", ["e", "none"], ["f"]),
        node("Neg", ["f"], ["g"]),
        node("Identity", ["g"], ["h"]),
        node("Sub", ["h", "mu"], ["i"]),
        node("Div", ["i", "var"], ["j"]),
        node("Constant", [], ["two"], value=constant("two", 2)),
        node("Mul", ["two", "j"], ["k"]),
        node("Transpose", ["w2"], ["w2t"], perm=[1, 0]),
        node("MatMul", ["k", "w2t"], ["l"]),
        node("ConstantOfShape", ["two_long"], ["ones"], value=constant("one", [1])),
        node("Add", ["l", "ones"], ["m"]),
        node("Flatten", ["m"], ["y"], axis=1),
    ]
    arrays = {
        "w1": rng.normal(size=(5, 6)), "b1": rng.normal(size=5), "scale": rng.normal(size=5),
        "shift": rng.normal(size=5), "mu": rng.normal(size=5), "var": 0.5 + rng.random(5),
        "w2": rng.normal(size=(2, 5)), "none": 0.0,
    }  # fmt: skip
    whole = {"zero": 0, "axis": [0], "rest": [6], "two_long": [2]}
    constants = [constant(name, a) for name, a in arrays.items()]
    return model(nodes, constants + [constant(name, a, np.int64) for name, a in whole.items()])


def change_attribute(made, rng):
    nodes = [n for n in made.graph.node if n.attribute]
    attribute = rng.choice(rng.choice(nodes).attribute)
    name = attribute.name
    value = [3, -7, 2**40, 0.5, float("nan"), "text", [1, 2], [], [2.5], constant("t", [1, 2])][
        rng.integers(10)
    ]
    attribute.CopyFrom(
        helper.make_attribute(name, value)
        if value != []
        else AttributeProto(name=name, type=AttributeProto.INTS)
    )


def rewire(made, rng):
    node = rng.choice([n for n in made.graph.node if n.input])
    names = [name for n in made.graph.node for name in (*n.input, *n.output)]
    node.input[rng.integers(len(node.input))] = rng.choice([*names, "", "nowhere"])


def drop_input(made, rng):
    node = rng.choice([n for n in made.graph.node if n.input])
    del node.input[rng.integers(len(node.input)) :]


def drop_output(made, rng):
    del rng.choice(made.graph.node).output[:]


def more_inputs(made, rng):
    rng.choice(made.graph.node).input.extend(["w1"] * int(rng.integers(1, 4)))


def other_operation(made, rng):
    rng.choice(made.graph.node).op_type = str(
        rng.choice([
            "Conv", "Loop", "If", "Expand", "Gather", "Gemm", "MatMul", "Range", "Tile", "Add", "", "Shape",
            "Constant", "Reshape", "ReduceSum", "Slice", "Einsum",
        ])
    )  # fmt: skip


def other_dims(made, rng):
    tensor = rng.choice(made.graph.initializer)
    if tensor.dims and rng.integers(2):
        tensor.dims[rng.integers(len(tensor.dims))] = int(rng.choice(HUGE))
    else:
        tensor.dims.append(int(rng.choice(HUGE)))


def other_values(made, rng):
    tensor = rng.choice([t for t in made.graph.initializer if t.data_type == TensorProto.INT64])
    array = np.full(max(1, len(tensor.raw_data) // 8), int(rng.choice(HUGE)))
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def other_type(made, rng):
    rng.choice(made.graph.initializer).data_type = int(rng.integers(-1, 30))


def other_bytes(made, rng):
    tensor = rng.choice(made.graph.initializer)
    tensor.raw_data = rng.bytes(int(rng.integers(0, 80)))


def no_tensor(made, rng):
    del made.graph.initializer[rng.integers(len(made.graph.initializer))]


def twice(made, rng):
    made.graph.initializer.append(rng.choice(made.graph.initializer))


def other_input(made, rng):
    dims = made.graph.input[0].type.tensor_type.shape.dim
    dims[rng.integers(len(dims))].dim_value = int(rng.choice(HUGE))


def another_order(made, rng):
    nodes = list(made.graph.node)
    del made.graph.node[:]
    made.graph.node.extend(nodes[i] for i in rng.permutation(len(nodes)))


def no_opset(made, rng):
    made.opset_import[0].version = int(rng.choice([-1, 0, 1, 6, 13, 99, 2**60]))


def other_names(made, rng):
    node = rng.choice(made.graph.node)
    node.name, node.domain = "\x00\n" * 3, str(rng.choice(["", "ai.onnx", "mine"]))


CHANGES = (
    change_attribute, rewire, drop_input, drop_output, more_inputs, other_operation, other_dims, other_values,
    other_type, other_bytes, no_tensor, twice, other_input, another_order, no_opset, other_names,
)  # fmt: skip


def read(path):
    victim = Victim.from_file(path)
    assert victim.values(np.ones((3, victim.input_size))).shape == (3, victim.output_size)


def test_random_damage(tmp_path):
    path = tmp_path / "a.onnx"
    onnx.save(with_every_operation(), path)
    data = path.read_bytes()
    assert outcome(read, path, UnsupportedModelFile) == "works"
    outcomes = []
    for seed in range(300):
        path.write_bytes(damaged(data, np.random.default_rng(seed)))
        outcomes.append(outcome(read, path, UnsupportedModelFile))
    assert outcomes.count("refused") > 100


@pytest.mark.parametrize("change", CHANGES)
def test_damaged_structure(tmp_path, change):
    path = tmp_path / "a.onnx"
    for seed in range(20):
        made, rng = with_every_operation(), np.random.default_rng(seed)
        change(made, rng)
        onnx.save(made, path)
        outcome(read, path, UnsupportedModelFile)


def test_several_things_at_once(tmp_path):
    path = tmp_path / "a.onnx"
    for seed in range(100):
        made, rng = with_every_operation(), np.random.default_rng(seed)
        for change in rng.choice(CHANGES, 2):
            change(made, rng)
        onnx.save(made, path)
        outcome(read, path, UnsupportedModelFile)


def refused(path, made, message):
    onnx.save(made, path)
    with pytest.raises(UnsupportedModelFile, match=message):
        Victim.from_file(path)


def layer(name="w", **tensor):
    made = model(
        [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])], []
    )
    made.graph.initializer.append(TensorProto(name=name, data_type=TensorProto.FLOAT, dims=(6, 2), **tensor))
    return made


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../secret", "below/../../secret", "link", "linked/secret", ""]
)
def test_tensors_outside_of_the_folder_are_not_read(tmp_path, location):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(np.ones(12, np.float32).tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "linked").symlink_to(tmp_path)
    made = layer(data_location=TensorProto.EXTERNAL)
    made.graph.initializer[0].external_data.add(key="location", value=location)
    refused(folder / "a.onnx", made, "tensor 'w' is to be read from .*, outside of")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, None),
        ({"offset": "4"}, "of shape .* lies at bytes 4 to 52 of weights, which has 48"),
        ({"offset": "-4"}, "lies at bytes -4 to 44"),
        ({"length": "4"}, "lies at bytes 0 to 4"),
        ({"length": "many"}, "lies at .*many"),
        ({"location": "none"}, "is to be read from 'none', which is no file beside it"),
    ],
)
def test_tensors_beside_the_file(tmp_path, entries, message):
    weights = np.arange(12, dtype=np.float32).reshape(6, 2)
    (tmp_path / "weights").write_bytes(weights.tobytes())
    made = layer(data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "weights", **entries}.items():
        made.graph.initializer[0].external_data.add(key=key, value=value)
    if message:
        refused(tmp_path / "a.onnx", made, message)
        return
    onnx.save(made, tmp_path / "a.onnx")
    points = np.ones((1, 6))
    np.testing.assert_array_equal(Victim.from_file(tmp_path / "a.onnx").values(points), points @ weights)


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        (
            [("Relu", ["x"], ["y"]), ("Relu", ["x"], ["y"])],
            [],
            "node 'y' of type Relu computes 'y', which is there",
        ),
        ([("Relu", ["b"], ["a"]), ("Relu", ["a"], ["b"])], [], "nothing computes 'b'"),
        (
            [("Add", ["x", "w"], ["y"], {"axis": 1})],
            [("w", np.ones(3))],
            "has an attribute 'axis' of type INT",
        ),
        ([("Relu", [], ["y"])], [], "node 'y' of type Relu"),
        ([("MatMul", ["x", "w"], ["y"])], [("w", np.ones((4, 2)))], "node 'y' of type MatMul cannot be run"),
        (
            [("Gemm", ["x", "w", "b"], ["y"])],
            [("w", np.ones((3, 2))), ("b", np.ones(5))],
            r"adds 'b' of shape \(5,\)",
        ),
        (
            [("Mul", ["x", "w"], ["y"])],
            [("w", [1, np.nan, 1])],
            "tensor 'w' holds numbers that are not finite",
        ),
    ],
)
def test_place_and_reason(tmp_path, nodes, constants, message):
    made = [helper.make_node(op, reads, writes, **dict(*rest)) for op, reads, writes, *rest in nodes]
    refused(tmp_path / "a.onnx", model(made, [constant(*c) for c in constants]), message)


def long(value):
    return constant("long", value, np.int64)


BOMBS = {
    "a tensor": (layer(raw_data=b""), "tensor 'w' has shape"),
    "ones": (
        [("ConstantOfShape", ["long"], ["w"])],
        long([2**20, 2**15]),
        "'w' of type ConstantOfShape declares",
    ),
    "copies": ([("Expand", ["short", "long"], ["w"])], long([2**20, 2**15]), "'w' of type Expand declares"),
    "a range": ([("Range", ["zero", "long", "step"], ["w"])], long(2**40), "'w' of type Range declares"),
    "a sum": (
        [("Transpose", ["row"], ["c"]), ("Add", ["row", "c"], ["w"])],
        long(0),
        "'w' of type Add declares",
    ),
    "a loop": ([("Loop", ["long"], ["w"])], long(2**60), "'w' of type Loop is not among"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_declared_is_compared_before_it_is_made(tmp_path, name):
    made, message = BOMBS[name][0], BOMBS[name][-1]
    if isinstance(made, list):
        nodes = [helper.make_node(op, reads, writes) for op, reads, writes in made]
        constants = [
            constant("short", [1]), constant("row", np.ones((1, 20_000))),
            constant("zero", 0, np.int64), constant("step", 1, np.int64), BOMBS[name][1],
        ]  # fmt: skip
        made = model([*nodes, helper.make_node("MatMul", ["x", "w"], ["y"])], constants)
    else:
        made.graph.initializer[0].dims[:] = [2**20, 2**20]
    refused(tmp_path / "a.onnx", made, message)


def test_inputs_and_results_that_take_too_much(tmp_path):
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    refused(tmp_path / "a.onnx", model(nodes, [], ("n", 2**40)), "input 'x' declares")
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        helper.make_node("Add", ["x", "t"], ["y"]),
    ]
    refused(tmp_path / "a.onnx", model(nodes, [], ("n", 1, 50_000)), "node 'y' of type Add declares")
