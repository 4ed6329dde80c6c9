import re

import pytest
import typer

from divulge.cli import values
from divulge.oracles import ORACLES


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (values.whole(1), "3", 3),
        (values.whole(0, 5), "5", 5),
        (values.number(0), "0.5", 0.5),
        (values.number(0), "0", 0),
        (values.share, "0.1", 0.1),
        (values.one_of(("a", "b")), "b", "b"),
        (values.listed(values.whole(1), "numbers"), "10,30", (10, 30)),
        (values.percent, "5", 0.05),
        (values.percent, "100", 1),
        (values.classes, "all", None),
        (values.classes, "0,3", (0, 3)),
        (values.box, "-0.5,2", (-0.5, 2)),
        (values.jobs, "-1", -1),
        (values.jobs, "4", 4),
        (values.name_or_model(("mlp",)), "mlp", "mlp"),
    ],
)
def test_what_is_read(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (values.whole(1), "0", "expected a whole number of at least 1, got 0"),
        (values.whole(0, 5), "6", "expected a whole number of at most 5, got 6"),
        (values.whole(0), "1.5", "expected a whole number, got '1.5'"),
        (values.number(0), "-1", "expected a number of at least 0, got -1"),
        (values.number(0), "nan", "expected a number of at least 0, got nan"),
        (values.number(0), "inf", "expected a number that is finite, got inf"),
        (values.number(0), "", "expected a number, got ''"),
        (values.share, "0", "expected a number between 0 and 1, got 0"),
        (values.share, "nan", "expected a number between 0 and 1, got nan"),
        (values.one_of(("a", "b")), "c", "expected a or b, got c"),
        (values.listed(values.whole(1), "numbers"), "1,,2", "expected numbers, got '1,,2': expected a whole"),
        (values.percent, "0", "above 0 and at most 100, got '0'"),
        (values.percent, "nan", "above 0 and at most 100, got 'nan'"),
        (values.classes, "-1", "expected all or class numbers such as 0,3,5, got '-1'"),
        (values.box, "1,1", "expected LOW,HIGH, two finite numbers in order, got '1,1'"),
        (values.jobs, "0", "expected at least 1, or -1 for one a processor, got 0"),
        (values.jobs, "-2", "expected at least 1, or -1 for one a processor, got -2"),
        (values.name_or_model(("mlp",)), "svm", "expected mlp or a file *.onnx or *.pt2, got svm"),
        (values.name_or_model(("mlp",)), "none.pt2", "there is no file none.pt2"),
        (values.present(".npy"), "a.txt", "expected a file named *.npy, got a.txt"),
        (values.present(), "nowhere", "there is no file nowhere"),
        (values.new(".html"), "a.pdf", "expected a file named *.html, got a.pdf"),
        (values.new(), "nowhere/a", "there is no folder nowhere"),
        (values.new(), "/", "expected a file, / is a folder"),
        (values.folder, __file__, "expected a folder, "),
    ],
)
def test_what_is_refused(read, text, message):
    with pytest.raises(typer.BadParameter, match=re.escape(message)):
        read(text)


def test_files_and_folders(tmp_path):
    path = tmp_path / "model.ONNX"
    path.write_bytes(b"")
    assert values.present(".onnx")(str(path)) == path
    assert values.name_or_model(("mlp",))(str(path)) == str(path)
    assert values.new(".onnx")(str(path)) == path
    assert values.folder(str(tmp_path / "made later")) == tmp_path / "made later"


def test_every_oracle_may_be_named():
    read = values.entry_of(ORACLES)
    assert [read(name) for name in ORACLES] == list(ORACLES)
    assert read("smoothgrad:samples=3") == "smoothgrad:samples=3"
    with pytest.raises(typer.BadParameter, match=r"expected an oracle named label, .* got 'loss'"):
        read("loss")
