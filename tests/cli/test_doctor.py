import json

import pytest

from divulge.cli import doctor
from divulge.cli.app import main


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *arguments])
    return ended.value.code


def test_what_a_bug_report_should_hold(capsys, monkeypatch, tmp_path):
    (tmp_path / "mnist").mkdir()
    monkeypatch.setenv("DIVULGE_DATA", str(tmp_path))
    assert run("--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {
        "divulge", "python", "core", "packages", "extras", "threads", "device", "data", "self-test",
    }  # fmt: skip
    assert found["self-test"].startswith("passed: 16 units rebuilt")
    assert "torch 2." in found["packages"]
    assert "CUDA kernels:" in found["core"]
    assert found["data"] == f"{tmp_path}: mnist"


@pytest.mark.parametrize(("folder", "said"), [("", "is not set"), ("nowhere", "which is not a folder")])
def test_data_that_are_not_there(folder, said, monkeypatch, tmp_path):
    monkeypatch.setenv("DIVULGE_DATA", str(tmp_path / folder) if folder else "")
    assert said in doctor.diagnosis()["data"]


def test_what_is_broken_is_said_and_the_rest_still_told(monkeypatch, capsys):
    def broken():
        raise ImportError("libcudart.so.12:\n cannot open")

    monkeypatch.setattr("divulge.cli.doctor._device", broken)
    monkeypatch.setattr("divulge.cli.doctor._self_test", broken)
    assert run() == 2
    lines = capsys.readouterr().out.splitlines()
    assert "self-test  failed: ImportError: libcudart.so.12: cannot open" in lines
    assert any(line.startswith("packages") and "numpy" in line for line in lines)


def test_a_wrong_copy_fails_the_test(monkeypatch):
    class Wrong:
        complete, max_output_error = True, 1e-3

    monkeypatch.setattr("divulge.compare", lambda *given: Wrong())
    assert "differ by 1.0e-03" in doctor.diagnosis()["self-test"]


def test_packages_that_are_missing_are_named():
    assert doctor._versions(("numpy", "no-such-thing")).endswith("not installed: no-such-thing")
