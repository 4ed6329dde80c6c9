import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from divulge.bits import code_length, decode, encode
from divulge.cli import bits, models
from divulge.datasets import digits


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
