"""The example scripts run, in a small setting, and print what they promise."""

import runpy
import sys
from pathlib import Path

import pytest

WITHOUT_PLOT = {"live_api"}
NEEDED = {"live_api": ("fastapi", "uvicorn")}  # by examples, beside what tests need
EXAMPLES = Path(__file__).parents[1] / "examples"
ARGUMENTS = {
    "backdoor": ([], "a backdoor was found to class 3 .*\ntriggers reach"),
    "domain_mismatch": ([], "images of the second scanner|weighs as much as"),
    "flipped_labels": (["--epochs", "2"], "self-influence: .* of the flips in the first 20%"),
    "invisible_training": (["--test", "6", "--steps", "2"], "2 of 20 training images changed"),
    "live_api": ([], "16 of 16 units, .* 0 questions repeated\ncomplete: True"),
    "report_on_a_table": ([], "Recommendation: return .* answers"),
    "take_apart": (["--hidden", "8"], "plain: 8 of 8 units, .* complete True, agreement 100.0%"),
    "truth_of_gradients": (["--epochs", "2"], "standard: .* of the largest tenth .*\nrobust: "),
    "what_would_change": (["--generations", "10"], "explains 8.* of what the forest says\n.* rows"),
    "rbf_and_deep": ([], "RBF features: the nearest fifth holds"),
}


def test_all_examples_are_tried():
    assert set(ARGUMENTS) == {path.stem for path in EXAMPLES.glob("*.py")}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_example_runs(name, tmp_path, monkeypatch, capsys):
    import re

    arguments, printed = ARGUMENTS[name]
    for package in NEEDED.get(name, ()):
        pytest.importorskip(package)
    plot = tmp_path / "plot.png"
    drawn = [] if name in WITHOUT_PLOT else ["--plot", str(plot)]
    monkeypatch.setattr(sys, "argv", [name, *arguments, *drawn])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert re.search(printed, capsys.readouterr().out)
    assert name in {"invisible_training", *WITHOUT_PLOT} or plot.read_bytes().startswith(b"\x89PNG")
