import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from processes import new_processes

from divulge.datasets import load
from divulge.sweep import sweep
from divulge.sweep.content import content_of
from divulge.training import mlp

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


def test_a_table_of_ones_own_is_trained_on_and_counts_by_its_content(write, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(90, 3)), columns=["a", "b", "c"])
    frame["grade"] = np.where(frame["a"] > 0, "yes", "no")
    frame.to_csv(tmp_path / "t.csv", index=False)
    grid = f'[grid]\nvictim = "{tmp_path}/t.csv"\ntarget = "grade"\nhidden = 3\nqueries = 40\nsteps = 400\n'
    path = write(f'job = "steal"\nengine = "threads"\nworkers = 1\n{grid}oracle = ["gradient", "shap"]\n')
    found = sweep(path)
    assert list(found.table["error"]) == ["", ""]
    assert found.table["agreement"].min() > 0.6
    assert sweep(path).already == 2
    frame.iloc[::-1].to_csv(tmp_path / "t.csv", index=False)
    assert sweep(path).already == 0


def write_model(path, hidden=3, seed=0):
    module = mlp((6,), [hidden], 1, seed=seed, dtype=torch.float64).eval()
    batch = torch.export.Dim("batch")
    torch.export.save(
        torch.export.export(module, (torch.zeros(2, 6).double(),), dynamic_shapes=[{0: batch}]), path
    )


@pytest.fixture
def model(tmp_path):
    write_model(tmp_path / "model.pt2")
    return tmp_path / "model.pt2"


def victims(*paths):
    names = ", ".join(f"'{path}'" for path in paths)
    return f'seeds = 2\nengine = "threads"\nworkers = 1\n[grid]\nvictim = [{names}]\n'


def test_a_model_file_that_was_replaced_is_run_anew(write, model):
    first = sweep(write(victims(model)))
    write_model(model, hidden=4)
    second = sweep(write(victims(model)))
    assert second.already == 0
    assert list(first.table["hidden_units"]) == [3, 3]
    assert list(second.table["hidden_units"]) == [4, 4]
    assert sweep(write(victims(model))).already == 2
    write_model(model, hidden=3)  # the same bytes as at first, or other ones of the same weights
    assert list(sweep(write(victims(model))).table["hidden_units"]) == [3, 3]


def test_a_model_file_under_another_name_is_the_same(write, model, tmp_path):
    sweep(write(victims(model)))
    moved = model.rename(tmp_path / "moved.pt2")
    again = tmp_path / "again.pt2"
    again.write_bytes(moved.read_bytes())
    result = sweep(write(victims(moved, again)))
    assert result.already == 4
    assert list(result.table["victim"]) == [str(moved)] * 2 + [str(again)] * 2
    assert result.table["victim_content"].nunique() == 1


def test_weights_beside_an_onnx_file_count(write, tmp_path):
    import onnx

    weight = onnx.numpy_helper.from_array(np.eye(4, 3, dtype=np.float32), "w")
    place = [
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["b", k])
        for n, k in (("x", 4), ("y", 3))
    ]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "g", *[[p] for p in place], [weight]
    )
    saved = onnx.helper.make_model(graph)
    onnx.save(saved, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    before = content_of(str(tmp_path / "m.onnx"))
    held = bytearray((tmp_path / "m.data").read_bytes())
    held[0] ^= 1
    (tmp_path / "m.data").write_bytes(held)
    assert content_of(str(tmp_path / "m.onnx")) not in (before, "")


def test_the_content_of_data_sets_and_of_nothing(monkeypatch, tmp_path):
    assert content_of("random") == content_of(str(tmp_path / "missing.onnx")) == ""
    (tmp_path / "damaged.onnx").write_bytes(b"no model")
    assert content_of(str(tmp_path / "damaged.onnx"))
    monkeypatch.setenv("DIVULGE_DATA", str(tmp_path))
    before = content_of("digits")
    assert before == content_of("digits") != ""
    data = load("digits")
    data.test_targets[0] += 1
    monkeypatch.setattr("divulge.datasets.load", lambda name: data)
    assert content_of("digits") not in (before, "")


def test_what_failed_is_tried_again(write, model, tmp_path):
    missing = tmp_path / "later.pt2"
    text = victims(model, missing).replace("seeds = 2", "seeds = 20")  # several rows a file
    first = sweep(write(text))
    assert list(first.table["error"] != "") == [False] * 20 + [True] * 20
    write_model(missing, hidden=5)
    second = sweep(write(text))
    assert second.already == 20
    assert (second.table["error"] == "").all()
    assert list(second.table["hidden_units"]) == [3] * 20 + [5] * 20
    assert sweep(write(text)).already == 40


def test_a_row_that_fails_again_stands_once_among_the_others(write, tmp_path):
    text = '[grid]\ninputs = 6\nhidden = 3\ndefence = ["none", "top:9"]\n'
    path = write(f'seeds = 40\nengine = "threads"\nworkers = 1\n{text}')
    first, second = sweep(path), sweep(path)
    assert (first.already, second.already) == (0, 40)
    same(first.table, second.table)
    kept = pd.read_parquet(first.folder)
    assert len(kept) == 80
    assert kept["key"].is_unique
    assert int((kept["error"] != "").sum()) == 40


def test_a_killed_worker_is_told_and_gone_on_from(write, tmp_path):
    path = write(f'seeds = 40\nengine = "processes"\nworkers = 2\n{GRID}')
    folder = tmp_path / "experiment.results"
    code = (
        "from divulge.errors import DivulgeError\nfrom divulge.sweep import sweep\nimport sys\n"
        f"try: sweep({str(path)!r})\nexcept DivulgeError as error: sys.exit(str(error))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while not list(folder.glob("*.parquet")) and process.poll() is None:
        time.sleep(0.02)
    workers = [
        child for child in psutil.Process(process.pid).children() if "popen_loky" in " ".join(child.cmdline())
    ]
    workers[0].send_signal(signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == 1
    assert "a worker process was killed" in said
    new_processes()
    resumed = sweep(path)
    assert 0 < resumed.already < 160
    assert (resumed.table["error"] == "").all()
    threads = write(f'seeds = 40\nengine = "threads"\nworkers = 1\n{GRID}', "fresh")
    same(resumed.table, sweep(threads).table)
