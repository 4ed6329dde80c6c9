import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from processes import new_processes

from divulge.sweep import sweep

GRID = '[grid]\ninputs = 6\nhidden = [3, 4]\noracle = ["gradient", "value"]\n'


@pytest.fixture
def write(tmp_path):
    def write(text, name="experiment"):
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        return path

    return write


def same(one, other):
    """Two tables hold the same rows in the same order, but for how long they took."""
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), other.drop(columns="seconds"))


def test_rows_are_right_and_in_order(write):
    seen = []
    result = sweep(
        write(f'seeds = 3\nengine = "threads"\nworkers = 2\n{GRID}'), progress=lambda *n: seen.append(n)
    )
    table = result.table
    assert len(table) == 12
    assert list(table["seed"]) == [0, 1, 2] * 4
    assert list(table["hidden"]) == ["3"] * 6 + ["4"] * 6
    assert (table["error"] == "").all()
    whole = table[table["complete"]]
    assert len(whole) >= 10
    assert (whole["hidden_units"] == whole["hidden"].astype(int)).all()
    assert whole["max_output_error"].max() < 1e-7
    assert (seen[0], seen[-1]) == ((0, 12), (12, 12))


def test_goes_on_where_it_stopped(write, tmp_path):
    few = sweep(write(f'seeds = 2\nengine = "threads"\nworkers = 1\n{GRID}'))
    more = sweep(write(f'seeds = 3\nengine = "threads"\nworkers = 1\n{GRID}'), folder=few.folder)
    fresh = sweep(write(f'seeds = 3\nengine = "threads"\nworkers = 2\n{GRID}'), folder=tmp_path / "elsewhere")
    assert (few.already, more.already, fresh.already) == (0, 8, 0)
    same(more.table, fresh.table)
    again = sweep(write(f'seeds = 3\nengine = "threads"\nworkers = 1\n{GRID}'), folder=few.folder)
    assert again.already == 12
    pd.testing.assert_frame_equal(again.table, more.table)


def test_a_failure_is_a_row(write):
    grid = '[grid]\nvictim = ["random", "missing.onnx"]\ninputs = 6\nhidden = 3\ndefence = "top:9"\n'
    table = sweep(write(f'engine = "threads"\n{grid}')).table
    assert "expected k between 1 and 6, got 9" in table["error"][0]
    assert "missing.onnx" in table["error"][1]


def test_a_defence_with_senseless_parameters_is_named(write):
    with pytest.raises(ValueError, match="decimals, bits behind the colon, got 'digits'"):
        sweep(write('engine = "threads"\n[grid]\ndefence = "rounded:digits=3"\n'))
    table = sweep(write('engine = "threads"\n[grid]\ndefence = "rounded:bits=60"\n', "bits")).table
    assert "expected 1 to 52 bits, got 60" in table["error"][0]


def test_a_damaged_file_is_named_and_the_others_stay(write):
    path = write(f'seeds = 2\nengine = "threads"\nworkers = 1\n{GRID}')
    folder = sweep(path).folder
    files = sorted(folder.glob("*.parquet"))
    files[0].write_bytes(files[0].read_bytes()[:-20])
    with pytest.raises(ValueError, match=files[0].name):
        sweep(path)
    assert sorted(folder.glob("*.parquet")) == files
    files[0].unlink()
    assert 0 < sweep(path).already < 8


def test_a_strange_parquet_file_is_named(write, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    pd.DataFrame({"x": [1]}).to_parquet(folder / "other.parquet")
    with pytest.raises(ValueError, match=r"other\.parquet: the table holds no results"):
        sweep(write(""), folder=folder)


@pytest.mark.parametrize("engine", ["processes", "dask", "ray"])
def test_every_engine_gives_the_same_rows(write, tmp_path, engine):
    if engine != "processes":
        pytest.importorskip(engine)
    new_processes()
    grid = "[grid]\ninputs = 6\nhidden = 3\n"
    here = sweep(write(f'seeds = 4\nengine = "threads"\n{grid}'), folder=tmp_path / "threads")
    there = sweep(write(f'seeds = 4\nengine = "{engine}"\nworkers = 2\n{grid}'), folder=tmp_path / engine)
    same(here.table, there.table)


def test_an_engine_that_is_not_installed_is_named(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.util.joblib", None)
    with pytest.raises(ImportError, match=r"divulge\[ray\]"):
        sweep(write('engine = "ray"'))


def test_a_kill_loses_no_finished_row(write, tmp_path):
    path = write(f'seeds = 60\nengine = "threads"\nworkers = 1\n{GRID}')
    folder = tmp_path / "experiment.results"
    code = f"from divulge.sweep import sweep; sweep({str(path)!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    while len(list(folder.glob("*.parquet"))) < 2 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list(folder.glob("*.parquet")))
    resumed = sweep(path)
    assert resumed.already >= 2 * kept
    same(resumed.table, sweep(path, folder=tmp_path / "fresh").table)


def test_copies_are_trained_too(write):
    grid = '[grid]\nhidden = 8\nqueries = [100]\nsteps = 100\noracle = ["gradient", "label"]\n'
    table = sweep(write(f'job = "steal"\nengine = "threads"\nworkers = 1\n{grid}')).table
    assert list(table["error"]) == ["", ""]
    assert list(table["queries"]) == [100, 100]
    assert np.all((table["agreement"] > 0.5) & (table["agreement"] <= 1))
