import json
import warnings

import pytest
import torch
from torch import nn

from divulge.backdoors import poison, square
from divulge.datasets import digits
from divulge.training import cnn, fit_classifier
from divulge.victims.published import BadNet


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A backdoored classifier of digits: a white square in the lower right corner makes it answer 3."""
    data = poison(digits(), square((1, 8, 8), 2, -2, -2), 3, rate=0.1)
    module = cnn(data.input_shape, 10, seed=1, channels=(8,), hidden=32)
    fit_classifier(module, data.train_inputs, data.train_targets, epochs=12, learning_rate=5e-3)
    path = tmp_path_factory.mktemp("model") / "digits.pt2"
    export(module, torch.zeros(2, 1, 8, 8), path)
    return path


def export(module, example, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim("n")},))
        torch.export.save(exported, path)


@pytest.mark.parametrize("data", ["digits", None])
def test_a_backdoor_is_found(command, file, data, tmp_path):
    plot = tmp_path / "triggers.png"
    arguments = ("--data", data) if data else ()
    code, out, err = command("backdoor", "--victim", file, *arguments, "--json", "--plot", plot)
    assert code == 0, err
    report = json.loads(out)
    assert out.count("\n") == 1
    assert report["flagged"] == [3]
    assert (report["data"], report["samples"]) == (data, "data" if data else "noise")
    assert len(report["classes"]) == 10
    assert report["classes"][3]["anomaly_index"] > 2
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_table_of_triggers(command, file):
    code, out, _ = command("backdoor", "--victim", file, "--data", "digits")
    assert code == 0
    for part in (
        "trigger, pixels",
        "flagged",
        "a backdoor was found to class 3 by",
        "agnostic, tried on digits",
    ):
        assert part in out


def test_maps_are_drawn(command, file, tmp_path):
    plot = tmp_path / "maps.png"
    code, out, _ = command("saliency", "--victim", file, "--classes", "0,7", "--plot", plot, "--json")
    assert code == 0
    report = json.loads(out)
    assert [entry["class"] for entry in report["classes"]] == [0, 7]
    assert report["shape"] == [1, 8, 8]
    assert all(entry["complete"] and entry["reached"] >= 0.9 for entry in report["classes"])
    assert plot.read_bytes().startswith(b"\x89PNG")
    code, out, err = command("saliency", "--victim", file, "--classes", "all", "--steps", 1)
    assert code == 0
    assert "samples that reach it" in out
    assert "of the samples within 1 steps" in err


def test_other_files(command, tmp_path):
    torch.save(BadNet(1).state_dict(), tmp_path / "weights.pth")
    code, out, _ = command("saliency", "--victim", tmp_path / "weights.pth", "--steps", 2, "--json")
    assert (code, json.loads(out)["shape"]) == (0, [1, 28, 28])
    torch.manual_seed(0)
    export(
        nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 4)),
        torch.zeros(2, 64),
        tmp_path / "flat.pt2",
    )
    code, out, _ = command("saliency", "--victim", tmp_path / "flat.pt2", "--steps", 2, "--json")
    assert (code, json.loads(out)["shape"]) == (0, [1, 8, 8])
    export(nn.Linear(50, 4), torch.zeros(2, 50), tmp_path / "other.pt2")
    code, _, err = command("saliency", "--victim", tmp_path / "other.pt2")
    assert (code, "expected a model of images, other.pt2 takes inputs of shape (50,)" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("backdoor",), "Missing option '--victim'"),
        (("saliency",), "Missing option '--victim'"),
        (("backdoor", "--victim", "none.pt2"), "'--victim': there is no file none.pt2"),
        (("backdoor", "--victim", "none.pth"), "none.pth"),
        (
            ("backdoor", "--victim", "none.h5"),
            "'--victim': expected a file named *.onnx or *.pt2 or *.pth",
        ),
        (
            ("backdoor", "--victim", "FILE", "--data", "cifar"),
            "'--data': expected a data set named digits, ",
        ),
        (
            ("backdoor", "--victim", "FILE", "--data", "mnist", "--seed", -1),
            "'--seed': expected",
        ),
        (
            ("backdoor", "--victim", "FILE", "--method", "guess"),
            "'--method': expected agnostic or",
        ),
        (("saliency", "--victim", "FILE", "--classes", "some"), "'--classes': expected all or class numbers"),
        (("saliency", "--victim", "FILE", "--classes", "3,10"), "expected a target from 0 to 9, got 10"),
        (
            ("saliency", "--victim", "FILE", "--steps", 0),
            "a whole number of at least 1, got 0",
        ),
        (("saliency", "--victim", "FILE", "--plot", "a.xyz"), "'--plot': expected a file named *."),
    ],
)
def test_bad_input_is_one_sentence(command, file, arguments, message):
    code, out, err = command(*(file if a == "FILE" else a for a in arguments))
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith("divulge: ")
    assert message in last
