import json

import pytest


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text('seeds = 2\nengine = "threads"\nworkers = 1\n[grid]\ninputs = 6\nhidden = [3, 4]\n')
    return path


def test_prints_a_line_a_combination(command, experiment, tmp_path):
    code, out, err = command("sweep", experiment, "--plot", tmp_path / "sweep.png")
    assert code == 0, err
    assert "4 runs, 0 of them from before, 0 failed" in out
    assert (tmp_path / "sweep.png").stat().st_size > 1000
    code, out, _ = command("sweep", experiment)
    assert "4 runs, 4 of them from before" in out


def test_json_holds_the_medians(command, experiment, tmp_path):
    code, out, _ = command("sweep", experiment, "--json", "--results", tmp_path / "kept")
    rows = json.loads(out)
    assert code == 0
    assert [(row["hidden"], row["runs"], row["failed"]) for row in rows] == [("3", 2, 0), ("4", 2, 0)]
    assert all(row["max_output_error"] < 1e-9 for row in rows)
    assert list((tmp_path / "kept").glob("*.parquet"))


@pytest.mark.parametrize(
    ("text", "said"),
    [("[grid]\nhidden = -1", "got -1"), (None, "there is no file"), ("x = [", "no TOML file")],
)
def test_bad_files_are_one_sentence(command, tmp_path, text, said):
    path = tmp_path / "bad.toml"
    if text is not None:
        path.write_text(text)
    code, _, err = command("sweep", path)
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1


def test_nothing_but_failures_is_a_failure(command, tmp_path):
    path = tmp_path / "failing.toml"
    path.write_text('engine = "threads"\n[grid]\nvictim = "nothing.onnx"\n')
    code, out, _ = command("sweep", path)
    assert code == 2
    assert "1 failed" in out
