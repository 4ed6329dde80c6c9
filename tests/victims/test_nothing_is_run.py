"""Model files of torch's that would run code, or take memory, when torch itself loads them."""

import io
import json
import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from divulge import UnsupportedModelFile, Victim
from divulge.victims.published import BadNet, read_published


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def parts(tmp_path):
    """The members of a program that torch.export wrote."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            module, (torch.zeros(2, 1, 2, 3),), dynamic_shapes=({0: torch.export.Dim("n")},)
        )
        torch.export.save(program, tmp_path / "whole.pt2")
    with zipfile.ZipFile(tmp_path / "whole.pt2") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path, parts):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def member(parts, end):
    return next(name for name in parts if name.endswith(end))


def change(parts, end, edit):
    """Change one member in JSON."""
    name = member(parts, end)
    content = json.loads(parts[name])
    edit(content)
    return {**parts, name: json.dumps(content).encode()}


def test_the_parts_are_a_program(parts, tmp_path):
    assert Victim.from_file(pack(tmp_path / "a.pt2", parts)).output_size == 2


def test_a_pickle_in_place_of_the_example_is_not_loaded(parts, tmp_path):
    parts[member(parts, "sample_inputs/model.pt")] = pickle.dumps(Touch(tmp_path / "touched"))
    assert Victim.from_file(pack(tmp_path / "a.pt2", parts)).output_size == 2
    assert not (tmp_path / "touched").exists()


def payload(content):
    return next(iter(content["config"].values()))


def node(content):
    return content["graph_module"]["graph"]["nodes"][0]


def symbol(content):
    return content["graph_module"]["graph"]["tensor_values"]["input"]["sizes"][0]["as_expr"]


WEIGHTS, GRAPH = "model_weights_config.json", "models/model.json"


@pytest.mark.parametrize(
    ("end", "edit", "message"),
    [
        (WEIGHTS, lambda c: payload(c).update(use_pickle=True), "in a form that would have to be unpickled"),
        (WEIGHTS, lambda c: payload(c).update(path_name="opaque_0"), "would have to be unpickled"),
        (WEIGHTS, lambda c: payload(c)["tensor_meta"].update(sizes=[{"as_int": 2**40}]), "declares"),
        (GRAPH, lambda c: node(c).update(target="torch.os.system"), "calls torch.os.system is not among"),
        (GRAPH, lambda c: node(c).update(target="torch.ops.aten.from_file.default"), "is not among"),
        (GRAPH, lambda c: symbol(c).update(expr_str="__import__('os').system('true')"), "is no sum of sizes"),
        (
            GRAPH,
            lambda c: symbol(c).update(expr_str="Pow(Integer(9), Pow(Integer(9), Integer(9)))"),
            "is no sum",
        ),
        (
            GRAPH,
            lambda c: node(c)["inputs"][1].update(arg={"as_ints": [2**20, 2**20]}),
            "is given sizes",
        ),
    ],
)
def test_what_would_run_or_take_memory_is_refused(parts, tmp_path, end, edit, message):
    path = pack(tmp_path / "a.pt2", change(parts, end, edit))
    with pytest.raises(UnsupportedModelFile, match=message):
        Victim.from_file(path)


def test_guards_are_not_compiled(parts, tmp_path):
    code = f"__import__('pathlib').Path({str(tmp_path / 'touched')!r}).touch() or True"
    path = pack(tmp_path / "a.pt2", change(parts, GRAPH, lambda c: c.update(guards_code=[code])))
    Victim.from_file(path).values([[1.0] * 6])
    assert not (tmp_path / "touched").exists()


def test_an_empty_record_holds_no_tensor(parts, tmp_path):
    parts[member(parts, "weight_0")] = b""
    with pytest.raises(UnsupportedModelFile, match=r"tensor '1\.weight' declares 24 numbers and holds none"):
        Victim.from_file(pack(tmp_path / "a.pt2", parts))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_in_place_of_weights_is_not_run(tmp_path, zipped):
    path = tmp_path / "a.pth"
    torch.save({"conv1.0.weight": Touch(tmp_path / "touched")}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnsupportedModelFile, match=r"a\.pth: the file is damaged, or no file of weights"):
        read_published(path)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_that_declare_more_than_the_file_holds(tmp_path, zipped):
    packed = io.BytesIO()
    torch.save({"conv1.0.weight": torch.zeros(77777)}, packed, _use_new_zipfile_serialization=zipped)
    old, new = (b"J" + size.to_bytes(4, "little") for size in (77777, 2**31 - 1))
    path = tmp_path / "a.pth"
    if zipped:
        with zipfile.ZipFile(packed) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        pack(path, {name: data.replace(old, new) for name, data in parts.items()})
    else:
        path.write_bytes(packed.getvalue().replace(old, new))
    with pytest.raises(UnsupportedModelFile, match="declares"):
        read_published(path)


def test_weights_that_are_no_numbers(tmp_path):
    state = BadNet(1).state_dict()
    state["fc2.0.bias"][3] = torch.nan
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(
        UnsupportedModelFile, match=r"tensor 'fc2\.0\.bias' holds numbers that are not finite"
    ):
        read_published(tmp_path / "a.pth")
