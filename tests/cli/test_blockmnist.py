import json

import pytest

SMALL = ("blockmnist", "--data", "digits", "--images", 300, "--radius", 1)


def test_json_is_one_object(command, tmp_path):
    path = tmp_path / "gradients.png"
    code, out, err = command(*SMALL, "--json", "--plot", path, "--seed", 3)
    assert code == 0
    assert out.count("\n") == 1
    assert "training the robust patch_cnn" in err
    report = json.loads(out)
    assert (report["data"], report["radius"], report["seed"]) == ("digits", 1, 3)
    assert report["levels"] == [0.025, 0.05, 0.1, 0.2]
    for name in ("standard", "robust"):
        entry = report["models"][name]
        assert 0 <= entry["test_accuracy"] <= 1
        assert all(0 <= share <= 1 for share in entry["leakage"])
    assert (
        report["models"]["robust"]["test_accuracy"] > 0.8
    )  # few steps, and small ones for the standard model
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_table(command):
    code, out, _ = command(*SMALL, "--model", "mlp:512", "--position", "top", "--attribution", "smoothgrad")
    assert code == 0
    for part in ("position top", "smoothgrad", "robust, l2 radius 1", "top 2.5%", "test images"):
        assert part in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--data", "cifar"),
            "'--data': expected a data set named digits, ",
        ),
        (("--model", "rnn"), "'--model': expected patch_cnn or mlp:512, got rnn"),
        (("--position", "left"), "'--position': expected random or top or bottom, got left"),
        (("--attribution", "lemon"), "'--attribution': expected an attribution named gradient, "),
        (("--radius", -1), "'--radius': expected a number of at least 0, got -1"),
        (("--images", 0), "'--images': expected a whole number of at least 1, got 0"),
        (("--plot", "a.xyz"), "'--plot': expected a file named *."),
        (("--data", "digits", "--images", 1), "no training image of class"),
    ],
)
def test_bad_input_is_one_sentence(command, arguments, message):
    code, out, err = command("blockmnist", *arguments)
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
