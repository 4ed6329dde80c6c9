import json

import pytest

SMALL = ("diffroar", "--images", 150, "--epochs", 1, "--levels", "25", "--model", "mlp")


def test_json_is_one_object_and_finished_runs_are_kept(command, tmp_path):
    path, folder = tmp_path / "roar.png", tmp_path / "kept"
    arguments = (*SMALL, "--runs", 2, "--json", "--folder", folder)
    code, out, err = command(*arguments, "--plot", path)
    assert code == 0
    assert out.count("\n") == 1
    assert "training on what is left" in err
    report = json.loads(out)
    assert (report["data"], report["runs"], report["training_images"]) == ("digits", 2, 150)
    (row,) = report["levels"]
    assert (row["level"], row["k"]) == (0.25, 16)
    assert row["diffroar"] == pytest.approx(row["top"] - row["bottom"])
    assert row["low"] <= row["diffroar"] <= row["high"]
    assert path.read_bytes().startswith(b"\x89PNG")
    kept = sorted(folder.iterdir())
    assert len(kept) == 2 * (2 + 4)
    before = [file.stat().st_mtime_ns for file in kept]
    again = json.loads(command(*arguments)[1])
    assert again["levels"] == report["levels"]
    assert [file.stat().st_mtime_ns for file in kept] == before


def test_the_table(command):
    code, out, _ = command(*SMALL, "--runs", 1, "--radius", 0.1, "--attribution", "smoothgrad")
    assert code == 0
    for part in ("trained against linf radius 0.1", "smoothgrad", "kept", "top - bottom", "random ranking"):
        assert part in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--data", "cifar"),
            "'--data': expected a data set named digits, ",
        ),
        (("--model", "rnn"), "'--model': expected a network named linear, "),
        (("--attribution", "lemon"), "'--attribution': expected an attribution named gradient, "),
        (("--levels", "5,a"), "'--levels': expected shares in percent such as 5,10,20, got '5,a'"),
        (("--levels", "101"), "got '101'"),
        (("--levels", "0"), "got '0'"),
        (("--runs", 0), "'--runs': expected a whole number of at least 1, got 0"),
        (("--radius", -1), "'--radius': expected a number of at least 0, got -1"),
        (("--norm", "l1"), "'--norm': expected linf or l2, got l1"),
        (("--epochs", 0), "'--epochs': expected a whole number of at least 1, got 0"),
        (("--jobs", 0), "'--jobs': expected at least 1, or -1 for one a processor, got 0"),
        (("--images", 3), "no training image of class"),
        (("--folder", __file__), "'--folder': expected a folder, "),
        (("--plot", "a.xyz"), "'--plot': expected a file named *."),
    ],
)
def test_bad_input_is_one_sentence(command, arguments, message):
    code, out, err = command("diffroar", *arguments)
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
