import sys
from types import SimpleNamespace

import numpy as np
import pytest

from divulge import ProgressBar


@pytest.fixture
def notebook(monkeypatch):
    """A stand-in for IPython in a notebook; what it shows, in order."""
    shown = []
    handle = SimpleNamespace(update=lambda data, raw: shown.append(("update", data)))

    def display(data, raw, display_id):
        shown.append(("new", data))
        return handle

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return shown


def test_a_notebook_shows_one_line_that_changes(notebook):
    bar = ProgressBar("<b>copies")
    for done in range(1, 4):
        bar(done, 3)
    assert [kind for kind, _ in notebook] == ["new", "update", "update"]
    last = notebook[-1][1]
    assert last["text/plain"] == "<b>copies: 3 of 3"
    assert 'value="3" max="3"' in last["text/html"]
    assert "&lt;b&gt;copies" in last["text/html"]
    bar(1, 2)  # a work that begins again gets a line of its own
    assert notebook[-1][0] == "new"


def test_a_log_has_the_stage_once(capsys):
    with ProgressBar("[red]copies") as bar:
        for done in range(3):
            bar(done, 3)
    assert capsys.readouterr().err == "[red]copies\n"


def test_what_reconstruct_tells_is_shown(notebook):
    with ProgressBar() as bar:
        bar(SimpleNamespace(stage="searching", units=3, queries=1200))
    assert notebook[0][1]["text/plain"] == "searching: 3 units, 1,200 queries"


def test_no_parts_at_all_are_shown_too(notebook):
    ProgressBar("nothing")(0, 0)
    assert notebook[0][1]["text/html"] == '<progress aria-hidden="true"></progress> nothing: 0 of 0'


def test_parts_are_counted_without_their_number_and_by_numpy(notebook):
    bar = ProgressBar("rows")
    bar(1_000)
    bar(np.int64(2), np.int64(3))
    assert [data["text/plain"] for _, data in notebook] == ["rows: 1,000", "rows: 2 of 3"]
    assert 'value="2" max="3"' in notebook[1][1]["text/html"]


def test_a_stage_is_text():
    with pytest.raises(TypeError, match="expected a stage as text, got int"):
        ProgressBar(3)
