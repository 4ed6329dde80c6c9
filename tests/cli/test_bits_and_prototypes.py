import json
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from divulge import bits as bits_module
from divulge.bits import code_length, decode, encode
from divulge.cli import bits, models
from divulge.cli.prototypes import _low_rank
from divulge.datasets import digits, load
from divulge.influence.kernels import FisherKernel


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setitem(models.TRAINING, "digits", (12, 64))
    monkeypatch.setattr(models, "HIDDEN", 16)
    monkeypatch.setattr(bits, "code_length", partial(code_length, steps=600))
    monkeypatch.setattr(bits, "encode", partial(encode, steps=500))


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(120, 3)), columns=list("abc"))
    frame["grade"] = np.where(frame["a"] > 0, "yes", "no")
    frame.to_csv(tmp_path / "t.csv", index=False)
    return "--data", tmp_path / "t.csv", "--target", "grade"


def test_bits_and_the_file_of_the_code(command, tmp_path):
    path = tmp_path / "model.bits"
    code, out, err = command("bits", "--agreement", 0.6, "--code", path, "--json", "--seed", 3)
    assert code == 0, err
    report = json.loads(out)
    assert report["weights"] == 64 * 16 + 16 + 16 * 10 + 10
    assert 0 < report["bits_held"] < report["bits_rounded"] < report["bits_stored"]
    assert report["code_bytes"] == path.stat().st_size
    assert report["bits_held"] / 8 - 2 <= report["code_bytes"] <= report["bits_held"] / 8 + 150
    copy, data = decode(path), digits()
    module = models.train("mlp", data, 3)
    inputs = data.test_inputs.float()
    with torch.no_grad():
        agreement = (copy(inputs).argmax(1) == module(inputs).argmax(1)).double().mean()
    assert report["code_agreement"] == pytest.approx(float(agreement))
    assert agreement > 0.4


def exported(module, path, sizes):
    """Write a module of inputs of a shape into a file of torch.export."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = ({0: torch.export.Dim("n")},)
        torch.export.save(
            torch.export.export(module.eval(), (torch.zeros(2, *sizes),), dynamic_shapes=rows), path
        )
    return path


@pytest.mark.parametrize("held", [1.0, 15.5, 16.0, 100.0])
def test_a_code_is_of_whole_blocks(command, tmp_path, monkeypatch, held):
    told = pd.DataFrame({"bits": [held], "agreement": [1.0]})
    monkeypatch.setattr(bits, "encode", partial(encode, steps=50))
    monkeypatch.setattr(bits, "code_length", lambda *_, **__: bits_module.CodeLength(held, 0.2, told, 0))
    path = tmp_path / "model.bits"
    code, out, err = command("bits", "--agreement", 0.2, "--code", path, "--json", "--seed", 1)
    assert code == 0, err
    assert bits_module.Code.load(path).indices.shape == (-(-held // 16),)
    report = json.loads(out)
    assert ("agrees on" in err) == (report["code_agreement"] < 0.2)


def test_a_code_that_falls_short_is_told(command, tmp_path, monkeypatch):
    told = pd.DataFrame({"bits": [16.0], "agreement": [1.0]})
    monkeypatch.setattr(bits, "encode", partial(encode, steps=50))
    monkeypatch.setattr(bits, "code_length", lambda *_, **__: bits_module.CodeLength(16.0, 0.955, told, 0))
    code, out, err = command("bits", "--agreement", 0.955, "--code", tmp_path / "model.bits")
    assert code == 0
    assert "only, 95.5% were asked for" in err
    assert "on 95.5% of" in out


def test_a_code_that_could_not_be_read_is_not_written(command, table, tmp_path):
    path = tmp_path / "model.bits"
    code, _, err = command("bits", *table, "--code", path)
    assert code == 2
    assert "expected a chain of usual layers for --code" in err
    assert not path.exists()


@pytest.mark.parametrize("name", ["bits", "prototypes", "influence"])
@pytest.mark.parametrize("last", [(1, nn.Sigmoid()), (2, nn.Softmax(1))])
def test_probabilities_are_not_taken_for_scores(command, table, tmp_path, name, last):
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, last[0]), last[1])
    path = exported(module, tmp_path / "probable.pt2", (3,))
    code, out, err = command(name, *table, "--model", path)
    assert (code, out) == (2, "")
    assert "probable.pt2 answers with probabilities" in err


def test_bits_of_a_table_as_words(command, table):
    code, out, _ = command("bits", *table, "--agreement", 0.8)
    assert code == 0
    for part in ("bits held", "bits a weight", "rounded to a grid and coded", "as it is stored", "on 80%"):
        assert part in out


def test_prototypes_of_a_class(command, tmp_path):
    path = tmp_path / "prototypes.png"
    small = "--count", 3, "--criticisms", 2
    code, out, _ = command("prototypes", "--class", 3, *small, "--json", "--plot", path)
    assert code == 0
    report = json.loads(out)
    assert (report["class"], report["points"]) == ("3", int((digits().test_targets == 3).sum()))
    kinds = [sample["kind"] for sample in report["samples"]]
    assert kinds == ["prototype"] * 3 + ["criticism"] * 2
    left = [sample["unexplained"] for sample in report["samples"][:3]]
    assert left == sorted(left, reverse=True)
    assert report["samples"][0]["label"] == "3"
    assert report["samples"][-1]["weight"] is None
    assert path.read_bytes().startswith(b"\x89PNG")


def test_prototypes_of_a_table_as_words(command, table):
    code, out, _ = command("prototypes", *table, "--class", "yes", "--count", 2, "--criticisms", 0)
    assert code == 0
    assert "prototype 1" in out
    assert "criticism" not in out


def test_prototypes_of_a_file_whose_layers_are_not_known(command, table, tmp_path):
    path = exported(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), tmp_path / "tanh.pt2", (3,))
    code, out, err = command("prototypes", *table, "--model", path, "--count", 2, "--json")
    assert code == 0, err
    assert len([e for e in json.loads(out)["samples"] if e["kind"] == "prototype"]) == 2


def test_a_large_module_takes_a_lower_rank():
    ranks = [_low_rank(nn.Linear(1000, outputs))["rank"] for outputs in (1, 200, 2000)]
    assert ranks[0] == 500 > ranks[1] > ranks[2] > 0
    assert ranks[2] * 1001 * 2000 <= 1 << 25


def test_a_class_without_test_samples_is_named(command, tmp_path, table):
    frame = pd.read_csv(table[1])
    for row in range(20):  # a row that is in the training part, wherever the split puts it
        frame.loc[row, "grade"] = "rare"
        frame.to_csv(tmp_path / "rare.csv", index=False)
        data = load(str(tmp_path / "rare.csv"), "grade", seed=0)
        if not (data.test_targets == data.class_names.index("rare")).any():
            break
        frame.loc[row, "grade"] = "no"
    arguments = "--data", tmp_path / "rare.csv", "--target", "grade", "--class", "rare"
    code, _, err = command("prototypes", *arguments)
    assert code == 2
    assert "rare.csv has none of rare" in err


@pytest.mark.parametrize("found", [0, 1, 2])
def test_interrupted_prototypes_are_shown_and_told_by_the_code(command, tmp_path, monkeypatch, found):
    asked, column = [], FisherKernel.column

    def interrupted(kernel, row):
        asked.append(row)
        if len(asked) > found:
            raise KeyboardInterrupt
        return column(kernel, row)

    monkeypatch.setattr(FisherKernel, "column", interrupted)
    code, out, err = command("prototypes", "--count", 4, "--json", "--plot", tmp_path / "p.png")
    assert code == 130, err
    report = json.loads(out)
    assert (report["stopped"], len(report["samples"])) == ("interrupted", found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bits", "--agreement", 1), "'--agreement': expected a number between 0 and 1, got 1"),
        (("bits", "--code", "/no/such/m.bits"), "'--code': there is no folder /no/such"),
        (("bits", "--agreement", 0.9999), "expected a smaller --agreement"),
        (("prototypes", "--class", "11"), "expected a class named 0, 1, 2"),
        (("prototypes", "--count", 0), "'--count': expected a whole number of at least 1, got 0"),
        (("prototypes", "--count", 5000), "expected count as a whole number from 1 to 1437, got 5000"),
    ],
)
def test_what_cannot_be_followed_is_one_sentence(command, arguments, message):
    code, out, err = command(*arguments)
    assert code == 2
    assert out == ""
    assert message in err


def test_a_picture_needs_images(command, table, tmp_path):
    code, _, err = command("prototypes", *table, "--plot", tmp_path / "p.png")
    assert code == 2
    assert "expected images for --plot" in err
