import json
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from divulge.cli import models
from divulge.datasets import digits


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setitem(models.TRAINING, "digits", (3, 64))


@pytest.mark.parametrize("model", ["logistic", "mlp"])
def test_json_is_one_object(command, model, tmp_path):
    path = tmp_path / "influence.png"
    code, out, err = command("influence", "--model", model, "--test", 4, "--top", 3, "--json", "--plot", path)
    assert code == 0
    report = json.loads(out)
    assert out.count("\n") == 1
    assert "training on digits" in err
    assert (report["data"], report["model"], report["test"], report["path"]) == ("digits", model, 4, "native")
    assert report["target"] == int(digits().test_targets[4])
    assert report["residual"] < 1e-5
    for side, sign in (("helpful", 1), ("harmful", -1)):
        changes = [entry["change_without"] for entry in report[side]]
        assert len(changes) == 3
        assert all(sign * change > 0 for change in changes)
        assert changes == sorted(changes, key=abs, reverse=True)
        assert report[side][0]["target"] == int(digits().train_targets[report[side][0]["row"]])
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_table(command):
    code, out, _ = command("influence", "--top", 2)
    assert code == 0
    for part in ("test image 8 of digits", "helpful row", "harmful row", "gauss-newton", "native code"):
        assert part in out


@pytest.mark.parametrize("kind", ["chain", "convolution"])
def test_a_model_of_the_users(command, tmp_path, kind):
    torch.manual_seed(0)
    module = {
        "chain": nn.Sequential(nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 10)),
        "convolution": nn.Sequential(nn.Conv2d(1, 2, 5), nn.GELU(), nn.Flatten(), nn.Linear(32, 10)),
    }[kind].eval()
    example = torch.zeros(2, 64) if kind == "chain" else torch.zeros(2, 1, 8, 8)
    path = tmp_path / "model.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim("n")},))
        torch.export.save(exported, path)
    code, out, _ = command("influence", "--model", path, "--json", "--damping", 1, "--top", 1)
    assert code == 0
    report = json.loads(out)
    assert report["path"] == ("native" if kind == "chain" else "torch")
    assert report["damping"] == 1
    with torch.no_grad():
        z = module(digits().test_inputs[8].reshape(1, *example.shape[1:]))
    assert report["predicted"] == int(z.argmax())
    assert report["probability"] == pytest.approx(float(z.softmax(1).max()), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("influence", "--data", "cifar"),
            "'--data': expected a data set named digits, ",
        ),
        (("influence", "--test", 360), "expected --test from 0 to 359, got 360"),
        (("influence", "--test", -1), "'--test': expected a whole number of at least 0, got -1"),
        (("influence", "--top", 0), "'--top': expected a whole number of at least 1, got 0"),
        (("influence", "--damping", -1), "'--damping': expected a number of at least 0, got -1"),
        (("influence", "--damping", "nan"), "'--damping': expected a number of at least 0, got nan"),
        (("influence", "--damping", "inf"), "'--damping': expected a number that is finite, got inf"),
        (
            ("influence", "--model", "svm"),
            "'--model': expected logistic, mlp or a file *.onnx or *.pt2, got",
        ),
        (("influence", "--model", "none.pt2"), "'--model': there is no file none.pt2"),
        (("influence", "--plot", "a.xyz"), "'--plot': expected a file named *."),
        (("mislabels", "--model", "svm"), "'--model': expected logistic or mlp, got svm"),
        (("mislabels", "--share", 1), "'--share': expected a number between 0 and 1, got 1"),
        (("mislabels", "--seed", -1), "'--seed': expected a whole number of at least 0, got -1"),
        (("mislabels", "--labels", "none.npy"), "'--labels': there is no file none.npy"),
        (
            ("mislabels", "--labels", __file__),
            "'--labels': expected a file named *.npy, got",
        ),
    ],
)
def test_bad_input_is_one_sentence(command, arguments, message):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith("divulge: ")
    assert message in last


def test_labels_are_given_or_flipped(command, tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, digits().train_targets.numpy())
    code, out, err = command("mislabels", "--labels", path, "--share", 0.2)
    assert (code, out) == (2, "")
    assert err.startswith("divulge: --share 0.2 flips labels")
    assert "a.npy names the user's own" in err


def test_flipped_labels_are_found(command, tmp_path):
    path = tmp_path / "mislabels.png"
    code, out, _ = command("mislabels", "--model", "logistic", "--seed", 1, "--json", "--plot", path)
    assert code == 0
    report = json.loads(out)
    assert (report["labels"], report["wrong"]) == (1437, 144)
    ours, random = report["orders"]["self-influence"], report["orders"]["random"]
    assert ours["found_in_first_20_percent"] > 0.9
    assert 0.3 < random["area"] < 0.7 < 0.9 < ours["area"]
    assert ours["fixed"][0] == 0
    assert len(ours["test_accuracy"]) == 5
    assert path.read_bytes().startswith(b"\x89PNG")


def test_labels_of_the_users(command, tmp_path):
    true = digits().train_targets.numpy()
    given = true.copy()
    given[[3, 50]] = (given[[3, 50]] + 1) % 10
    np.save(tmp_path / "labels.npy", given)
    code, out, _ = command("mislabels", "--model", "logistic", "--labels", tmp_path / "labels.npy")
    assert code == 0
    assert "2 of 1437 labels wrong" in out
    np.save(tmp_path / "labels.npy", true)
    code, out, _ = command("mislabels", "--model", "logistic", "--labels", tmp_path / "labels.npy")
    assert (code, "0 of 1437 labels wrong" in out) == (0, True)
    for wrong, message in [
        (true[:-1], "labels of shape (1437,)"),
        (true + 1, "labels from 0 to 9, got 10 at row"),
        (true / 2, "that are whole numbers"),
    ]:
        np.save(tmp_path / "labels.npy", wrong)
        code, _, err = command("mislabels", "--labels", tmp_path / "labels.npy")
        assert code == 2
        assert message in err.splitlines()[-1]
    (tmp_path / "labels.npy").write_text("1 2 3")
    code, _, err = command("mislabels", "--labels", tmp_path / "labels.npy")
    assert (code, "no array that numpy.save wrote" in err) == (2, True)
