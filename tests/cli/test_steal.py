import json

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

SMALL = ("steal", "--steps", 20, "--queries", "5,20", "--model", "logistic")


def test_json_is_one_object(command, tmp_path):
    path = tmp_path / "curve.png"
    code, out, err = command(*SMALL, "--json", "--plot", path)
    assert code == 0
    assert out.count("\n") == 1
    assert "learning from gradient answers" in err
    report = json.loads(out)
    assert [row["queries"] for row in report["leak_curve"]] == [5, 20]
    assert report["victim_accuracy"] > 0.9
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_table(command):
    code, out, _ = command(*SMALL, "--surrogate", "linear", "--queries", 10, "--defence", "rounded:6")
    assert code == 0
    for part in ("from gradient answers behind rounded:6", "100.0%", "solved in closed form"):
        assert part in out


def test_the_report(command, tmp_path):
    path = tmp_path / "leaks.html"
    arguments = ("report", "--oracles", "label,gradient", "--defences", "none,sign", "--budgets", "5,20")
    code, out, _ = command(*arguments, "--steps", 10, "--output", path, "--model", "logistic")
    assert code == 0
    assert "honest user" in out
    assert "Behind the defence sign" in out
    assert "</html>" in path.read_text(encoding="utf-8")
    code, out, _ = command(*arguments, "--steps", 10, "--json", "--model", "logistic")
    assert len(json.loads(out)["table"]) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("steal", "--data", "cifar"),
            "'--data': expected a data set named digits, ",
        ),
        (
            ("steal", "--queries", "5,a"),
            "'--queries': expected whole numbers from 1 on such as 10,100, got '5,a'",
        ),
        (("steal", "--queries", "0"), "got '0'"),
        (("steal", "--oracle", "lemon"), "'--oracle': expected an oracle named label, "),
        (
            ("steal", "--surrogate", "rnn"),
            "'--surrogate': expected a network named linear, ",
        ),
        (("steal", "--inputs", "noise"), "'--inputs': expected data or"),
        (("steal", "--steps", 0), "'--steps': expected a whole number of at least 1, got 0"),
        (
            ("steal", "--model", "rnn"),
            "a file *.onnx or *.pt2 or *.joblib or *.pkl or *.pickle or *.pt, got rnn",
        ),
        (("steal", "--plot", "curve.xyz"), "'--plot': expected a file named *."),
        (("report", "--budgets", "x"), "'--budgets': expected whole numbers"),
        (
            ("report", "--surrogate", "rnn"),
            "'--surrogate': expected a network named linear, ",
        ),
        (("report", "--output", "/nowhere/at/all.html"), "'--output': there is no folder /nowhere/at"),
        (
            ("report", "--output", "leaks.pdf"),
            "'--output': expected a file named *.html or *.htm",
        ),
        (("report", "--oracles", "label,lemon"), "'--oracles': expected kinds of answers, got 'label,lemon'"),
        (("report", "--defences", "none,round"), "expected a defence named none, rounded, "),
        (("steal", "--defence", "rounded:bits=99"), "'--defence': expected 1 to 52 bits, got 99"),
        (("steal", "--defence", "top:65"), "expected k between 1 and 64, got 65"),
    ],
)
def test_what_cannot_be_followed_is_one_sentence(command, arguments, message):
    code, out, err = command(*arguments)
    assert code == 2
    assert out == ""
    assert message in err.splitlines()[-1]


@pytest.fixture
def own(tmp_path):
    """A table and a tree that was fitted on it."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(120, 3)), columns=["a", "b", "c"])
    frame["grade"] = np.where(frame["a"] > 0, "yes", "no")
    frame.to_csv(tmp_path / "t.csv", index=False)
    model = DecisionTreeClassifier(max_depth=2, random_state=0)
    joblib.dump(model.fit(frame[["a", "b", "c"]], frame["grade"]), tmp_path / "m.joblib")
    return "--data", str(tmp_path / "t.csv"), "--target", "grade", "--model", str(tmp_path / "m.joblib")


def test_a_report_on_a_model_and_a_table_of_ones_own(command, own):
    asked = ("--oracles", "label,shap,gradient", "--defences", "none", "--budgets", "5,40", "--steps", "80")
    code, out, _ = command("report", *own, *asked, "--trusted", "--json")
    told = json.loads(out)
    assert code == 0
    assert [row["explanation"] for row in told["table"]] == ["label", "shap"]
    assert "Left out: gradient, DecisionTreeClassifier has no input gradients" in told["summary"][-2]
    code, out, _ = command(
        "steal", *own, "--oracle", "shap", "--queries", "40", "--steps", "80", "--trusted", "--json"
    )
    assert json.loads(out)["victim_accuracy"] == 1.0


def test_code_in_a_file_and_a_wrong_column_are_told(command, own):
    code, _, err = command("report", *own)
    assert code == 2
    assert "runs code when it is read: pass trusted=True, or --trusted" in err
    code, _, err = command("report", *own[:3], "class", *own[4:], "--trusted")
    assert code == 2
    assert "there is no column 'class' in t.csv, which has 'a', 'b', 'c', 'grade'" in err


def test_models_are_trained_on_a_table(command, own):
    for model in ("logistic", "mlp"):
        code, out, _ = command(
            "steal", *own[:4], "--model", model, "--queries", "5", "--steps", "20", "--json"
        )
        assert code == 0
        assert json.loads(out)["victim_accuracy"] > 0.9
    code, out, _ = command("reconstruct", *own[:4], "--hidden", "3", "--json")
    assert (code, json.loads(out)["complete"]) == (0, True)
