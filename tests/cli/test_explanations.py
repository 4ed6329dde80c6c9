import json
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from divulge.cli.models import TRAINING
from divulge.explanations import ExplanationTree


@pytest.fixture
def own(tmp_path):
    """A table with words and a pipeline that was fitted on it."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(20, 70, 160), "job": rng.choice(["cook", "nurse"], 160)})
    frame["grade"] = np.where(frame["age"] + 20 * (frame["job"] == "cook") > 55, "yes", "no")
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = make_column_transformer((OneHotEncoder(), ["job"]), remainder="passthrough")
    model = make_pipeline(words, LogisticRegression(max_iter=1000))
    joblib.dump(model.fit(frame[["age", "job"]], frame["grade"]), tmp_path / "m.joblib")
    options = "--data", tmp_path / "t.csv", "--target", "grade", "--model", tmp_path / "m.joblib"
    return (*options, "--trusted")


def test_an_additive_model_of_a_table(command, own, tmp_path):
    path = tmp_path / "shapes.png"
    code, out, _ = command("additive", *own, "--refits", 2, "--json", "--plot", path)
    assert code == 0
    told = json.loads(out)
    assert {row["term"] for row in told["terms"]} == {"age", "job"}
    assert {row["value"] for row in told["shapes"] if row["column"] == "job"} == {"cook", "nurse"}
    assert told["agreement"] > 0.9
    assert path.read_bytes().startswith(b"\x89PNG")
    code, out, _ = command("additive", *own, "--refits", 0)
    assert code == 0
    assert "is not additive" in out


@pytest.mark.parametrize("wanted", ["yes", "no"])
def test_counterfactuals_of_a_table(command, own, tmp_path, wanted):
    path = tmp_path / "changes.png"
    small = ("--class", wanted, "--rows", 3, "--generations", 5)
    code, out, _ = command("counterfactuals", *own, *small, "--json", "--plot", path)
    assert code == 0
    told = json.loads(out)
    assert told["reached"] == [True] * 3
    assert {row["job"] for row in told["counterfactuals"]} <= {"cook", "nurse"}
    assert path.read_bytes().startswith(b"\x89PNG")
    code, out, _ = command("counterfactuals", *own, *small, "--fixed", "job")
    assert code == 0
    assert "age: " in out
    assert "job: " not in out


def test_a_tree_of_a_tables_explanations(command, own, tmp_path):
    path = tmp_path / "tree.png"
    code, out, err = command("trees", *own, "--groups", 3, "--rows", 60, "--json", "--plot", path)
    assert code == 0, err
    told = json.loads(out)
    assert (told["class"], told["rows"], told["explanation"]) == ("yes", 60, "lime")
    assert told["levels"][0]["groups"] == 1
    assert sum(group["rows"] for group in told["groups"]) == 60
    assert set(told["groups"][0]["slopes"]) == {"age", "job"}
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_tree_of_images(command, monkeypatch):
    monkeypatch.setitem(TRAINING, "digits", (3, 256))
    code, out, _ = command("trees", "--rows", 80, "--groups", 4, "--class", 3, "--json")
    told = json.loads(out)
    assert (code, told["explanation"], len(told["groups"][0]["slopes"])) == (0, "gradient", 64)
    fidelity = [level["fidelity"] for level in told["levels"]]
    assert fidelity[-1] > fidelity[0]
    code, out, _ = command("trees", "--rows", 80, "--groups", 4, "--class", 3)
    assert code == 0
    assert "class 3: gradient of 80 rows" in out


def test_a_share_that_nothing_has_is_null(command, own, monkeypatch):
    monkeypatch.setattr(ExplanationTree, "fidelity", lambda *_: -np.inf)  # of values that do not vary
    small = ("--groups", 2, "--rows", 40)
    code, out, err = command("trees", *own, *small, "--json")
    assert code == 0, err
    assert [level["unseen"] for level in json.loads(out, parse_constant=pytest.fail)["levels"]] == [
        None,
        None,
    ]
    code, out, _ = command("trees", *own, *small)
    assert code == 0
    assert "inf" not in out


def test_rows_that_are_not_there_are_not_told_of(command, own):
    code, out, err = command("trees", *own, "--groups", 2, "--rows", 100_000, "--json")
    assert code == 0, err
    assert f"explaining {json.loads(out)['rows']} rows" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("additive", "--class", "maybe"), "expected a class named no, yes, got maybe"),
        (("additive", "--student", "oak"), "'--student': expected splines or trees or ebm"),
        (("additive", "--pairs", 9), "expected at most 1 pairs of 2 columns, got 9"),
        (("counterfactuals", "--fixed", "wage"), "there is no column 'wage', only 'age', 'job'"),
        (("trees", "--groups", 0), "'--groups': expected a whole number of at least 1, got 0"),
        (("counterfactuals", "--rows", 0), "'--rows': expected a whole number of at least 1, got 0"),
    ],
)
def test_what_cannot_be_followed_is_one_sentence(command, own, arguments, message):
    code, out, err = command(*arguments, *own)
    assert code == 2
    assert out == ""
    assert message in err.splitlines()[-1]


def test_a_package_that_is_not_installed_is_named(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "interpret", None)
    monkeypatch.setitem(sys.modules, "interpret.glassbox", None)
    monkeypatch.setitem(TRAINING, "digits", (1, 256))
    code, out, err = command("additive", "--student", "ebm")
    assert (code, out) == (2, "")
    assert "this needs the package interpret" in err
