"""Results show themselves: as a frame, as a figure, and in a notebook, with everything escaped."""

import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from shown_results import RESULTS, public_classes

from divulge.html import cell, shown
from divulge.panels import figure_of

DASH = "\N{EN DASH}"


class Page(HTMLParser):
    """Checks that tags are closed, and counts them."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


ROWS = {
    **dict.fromkeys(
        (
            "Reconstruction",
            "Comparison",
            "Stolen",
            "Mitigation",
            "SaliencyMaps",
            "Leakage",
            "Sweep",
            "Ranking",
            "CodeLength",
            "DatamodelingScore",
            "DomainInfluence",
            "FixCurve",
            "MislabelCurve",
            "TrainingAttack",
        ),
        2,
    ),
    "LeakReport": 1,
    "BackdoorScan": 3,
}
PLOTTED = ("LeakReport", "Stolen", "BackdoorScan", "SaliencyMaps", "Sweep")
WITH_TEXT = ("Reconstruction", *PLOTTED)


@pytest.mark.parametrize("name", RESULTS)
def test_the_frame_has_a_row_for_each_part(name):
    frame = RESULTS[name]().to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == ROWS[name]
    assert all(isinstance(column, str) for column in frame.columns)


@pytest.mark.parametrize("name", RESULTS)
def test_a_notebook_shows_title_and_table(name):
    text = RESULTS[name]()._repr_html_()
    page = Page(text)
    assert f"<strong>{name}</strong>" in text
    assert page.tags.count("tr") == 1 + ROWS[name]
    assert "script" not in page.tags


def test_whatever_has_a_frame_shows_itself_in_a_notebook():
    framed = {kind.__name__: kind for kind in public_classes() if hasattr(kind, "to_frame")}
    assert set(framed) >= set(RESULTS)
    assert [name for name, kind in framed.items() if not hasattr(kind, "_repr_html_")] == []


@pytest.mark.parametrize("name", WITH_TEXT)
def test_all_text_is_escaped(name):
    text = RESULTS[name]()._repr_html_()
    assert "<script" not in text
    assert "&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;" in text


@pytest.mark.parametrize("name", PLOTTED)
def test_the_picture_is_a_figure(name):
    figure = figure_of(RESULTS[name]().plot())
    assert isinstance(figure, Figure)
    assert figure.axes


@pytest.mark.parametrize("name", ["LeakReport", "Stolen", "Sweep"])
def test_frames_are_copies(name):
    result = RESULTS[name]()
    column = "best" if name == "LeakReport" else "queries"
    frame = result.to_frame()
    frame[column] = 0
    assert (result.to_frame()[column] > 0).all()


def test_no_display_is_needed():
    program = (
        "import torch\n"
        "from divulge.saliency import agnostic_saliency\n"
        "module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).eval()\n"
        "maps = agnostic_saliency(module, [0, 1], (1, 4, 4), steps=2)\n"
        "print(type(maps.plot()[0, 0].figure).__name__, '<table>' in maps._repr_html_())"
    )
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == ["Figure", "True"]


def test_long_tables_are_cut():
    text = shown("Long", {}, pd.DataFrame({"row_number": range(100)}))
    assert Page(text).tags.count("tr") == 61
    assert "40 more rows" in text
    assert "<th>row number</th>" in text


def test_an_empty_table_is_left_out():
    assert "table" not in Page(shown("Empty", {"queries": 3}, pd.DataFrame({"layer": []}))).tags


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, DASH), (float("nan"), DASH), (True, "yes"), (np.False_, "no"), (12345, "12,345"),
        (np.int64(7), "7"), (0.123456, "0.1235"), (np.float32(0.5), "0.5"), (float("inf"), "inf"), ("a", "a"),
    ],
)  # fmt: skip
def test_cells(value, text):
    assert cell(value) == text
