import json

import pytest

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


def test_names_take_parameters(command):
    arguments = ("--oracle", "smoothgrad:samples=3,noise=0.2", "--defence", "rounded:bits=9+top:10")
    code, out, _ = command(*SMALL, *arguments, "--surrogate", "mlp:16x8", "--json")
    assert code == 0
    report = json.loads(out)
    assert (report["oracle"], report["defence"], report["surrogate"]) == (
        "smoothgrad:samples=3,noise=0.2", "rounded:bits=9+top:10", "mlp:16x8",
    )  # fmt: skip


def test_a_list_of_names_that_take_parameters(command):
    arguments = ("report", "--oracles", "smoothgrad:samples=2,noise=0.2,label", "--budgets", 5, "--steps", 3)
    defences = "none,noisy:sigma=0.1,seed=3,rounded:2+top:5"
    code, out, _ = command(*arguments, "--defences", defences, "--model", "logistic", "--json")
    assert code == 0
    assert [(row["explanation"], row["defence"]) for row in json.loads(out)["table"]] == [
        ("smoothgrad:samples=2,noise=0.2", "none"),
        ("smoothgrad:samples=2,noise=0.2", "noisy:sigma=0.1,seed=3"),
        ("smoothgrad:samples=2,noise=0.2", "rounded:2+top:5"),
        ("label", "none"),
    ]


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
            "expected a data set named digits, mnist,",
        ),
        (
            ("steal", "--queries", "5,a"),
            "expected --queries of whole numbers from 1 on such as 10,100, got '5,a'",
        ),
        (("steal", "--queries", "0"), "got '0'"),
        (("steal", "--oracle", "lime"), "expected an oracle named label,"),
        (("steal", "--oracle", "smoothgrad:sampels=3"), "got 'sampels' in 'smoothgrad:sampels=3'"),
        (("steal", "--defence", "blur"), "expected a defence named none, rounded,"),
        (("report", "--oracles", "label,lime"), "expected an oracle named label,"),
        (("report", "--defences", "none,top"), "expected k behind the colon, as in top:k=..., got 'top'"),
        (
            ("steal", "--surrogate", "rnn"),
            "a network named linear, mlp, cnn, strided_cnn, patch_cnn, got 'rnn'",
        ),
        (("steal", "--inputs", "noise"), "expected --inputs to be data or"),
        (("steal", "--steps", 0), "expected --steps of at least 1, got 0"),
        (("steal", "--model", "rnn"), "a file *.onnx or *.pt2, got rnn"),
        (("steal", "--plot", "curve.xyz"), "xyz"),
        (("report", "--budgets", "x"), "expected --budgets of whole numbers"),
        (("report", "--surrogate", "rnn"), "expected a network named linear, mlp,"),
        (("report", "--output", "/nowhere/at/all.html"), "there is no folder /nowhere/at"),
    ],
)
def test_what_cannot_be_followed_is_one_sentence(command, arguments, message):
    code, out, err = command(*arguments)
    assert code == 2
    assert out == ""
    assert message in err.splitlines()[-1]
