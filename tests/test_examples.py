"""The example scripts run, in a small setting, and print what they promise."""

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
ARGUMENTS = {
    "domain_mismatch": ([], "images of the second scanner|weighs as much as"),
    "flipped_labels": (["--epochs", "2"], "self-influence: .* of the flips in the first 20%"),
    "invisible_training": (["--test", "6", "--steps", "2"], "2 of 20 training images changed"),
    "rbf_and_deep": ([], "RBF features: the nearest fifth holds"),
}


def test_all_examples_are_tried():
    assert set(ARGUMENTS) == {path.stem for path in EXAMPLES.glob("*.py")}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_example_runs(name, tmp_path, monkeypatch, capsys):
    import re

    arguments, printed = ARGUMENTS[name]
    plot = tmp_path / "plot.png"
    monkeypatch.setattr(sys, "argv", [name, *arguments, "--plot", str(plot)])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert re.search(printed, capsys.readouterr().out)
    assert name == "invisible_training" or plot.read_bytes().startswith(b"\x89PNG")
