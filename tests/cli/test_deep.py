import json
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the package onnx is not installed")
from onnx import TensorProto, helper, numpy_helper, save

SIZES = (8, 6, 5, 1)


@pytest.fixture
def deep(tmp_path):
    """An ONNX file with a normalisation and three layers, 8-6-5-1."""
    rng = np.random.default_rng(1)
    nodes, constants = [helper.make_node("Sub", ["x", "mean"], ["h0"])], {"mean": rng.normal(size=(1, 8))}
    for k, (width, out) in enumerate(pairwise(SIZES)):
        constants[f"w{k}"] = rng.normal(size=(width, out)) / np.sqrt(width)
        constants[f"b{k}"] = 0.3 * rng.normal(size=out)
        last = k == len(SIZES) - 2
        nodes.append(helper.make_node("MatMul", [f"h{k}", f"w{k}"], [f"m{k}"]))
        nodes.append(helper.make_node("Add", [f"m{k}", f"b{k}"], ["y" if last else f"z{k}"]))
        if not last:
            nodes.append(helper.make_node("Relu", [f"z{k}"], [f"h{k + 1}"]))
    values = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape) for name, shape in
        (("x", ("n", 8)), ("y", ("n", 1)))
    ]  # fmt: skip
    arrays = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "chain", values[:1], values[1:], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    path = tmp_path / "chain.onnx"
    save(model, path)
    return path


def test_a_deep_model_file_is_taken_apart(command, deep):
    code, out, err = command("reconstruct", "--victim", deep, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["complete"]
    assert [layer["units_matched"] for layer in result["layers"]] == [6, 5]
    assert [layer["units_true"] for layer in result["layers"]] == [6, 5]
    assert max(layer["max_row_error"] for layer in result["layers"]) < 1e-9
    assert result["max_parameter_error"] < 1e-9
    assert sum(layer["queries"] for layer in result["layers"]) == result["queries"]
    assert min(layer["queries"] for layer in result["layers"]) > 0
    assert (result["hidden_units"], result["hidden_units_true"]) == (11, 11)

    code, out, _ = command("reconstruct", "--victim", deep)
    assert code == 0
    rows = [line for line in out.splitlines() if "hidden layer" in line]
    assert all(row.split("│")[2].strip().endswith("queries") for row in rows)
    assert ["6 of 6, worst row error" in rows[0], "5 of 5, worst row error" in rows[1]] == [True, True]


@pytest.mark.parametrize(("kind", "budget"), [("gradient", 300), ("value", 4000)])
def test_a_budget_that_ends_a_deep_search_says_how_far_it_came(command, deep, kind, budget):
    code, out, err = command("reconstruct", "--victim", deep, "--oracle", kind, "--budget", budget, "--json")
    assert code == 2
    result = json.loads(out)
    assert not result["complete"]
    assert 0 < result["queries_by_kind"][kind] <= budget
    said = err.splitlines()[-1]
    assert said.startswith(f"divulge: the budget of {budget} queries ran out after {result['queries']}")
    whole = sum(layer["units_matched"] == layer["units_true"] for layer in result["layers"])
    assert said.endswith(f"all units of {whole} of 2 hidden layers found")
