"""Results show themselves: as a frame, as a figure, and in a notebook, with everything escaped."""

import pkgutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from inspect import isclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import divulge
from divulge.backdoors import BackdoorScan, Mitigation, Trigger
from divulge.bits import CodeLength
from divulge.comparison import Comparison, LayerComparison
from divulge.evaluation import Leakage
from divulge.html import cell, shown
from divulge.influence import (
    DatamodelingScore,
    DomainInfluence,
    FixCurve,
    MislabelCurve,
    Ranking,
    TrainingAttack,
)
from divulge.reconstruction import Reconstruction
from divulge.report import LeakReport
from divulge.saliency import SaliencyMaps, Unit
from divulge.surrogate import Stolen, Weights
from divulge.sweep import Sweep

DASH = "\N{EN DASH}"
EVIL = "<script>alert('&')</script>"


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


def maps():
    return SaliencyMaps(
        (0, Unit(EVIL, 1)), torch.rand(2, 1, 4, 4), torch.zeros(1, 4, 4), (0.0, 1.0), torch.rand(5, 2),
        torch.rand(5, 2), (True, False), (EVIL,),
    )  # fmt: skip


def scan():
    triggers = tuple(Trigger(torch.rand(4, 4), torch.rand(1, 4, 4)) for _ in range(3))
    sizes = np.array([9.0, 8.0, np.inf])
    unknown = np.full(3, np.nan)
    found = sizes, sizes / 9, unknown, unknown, triggers, (1,), {1: EVIL}
    return BackdoorScan(3, EVIL, "data", *found, (0.0, 1.0), None, (EVIL,), 1.5)


def curve():
    return pd.DataFrame(
        {
            "queries": [10, 100],
            "agreement": [0.5, 0.9],
            "accuracy": [0.4, 0.8],
            "gradient_cosine": [np.nan, 0.9],
        }
    )


def report():
    row = {"explanation": EVIL, "defence": "none", "queries_90": 20.0, "queries_95": np.nan, "exact": np.nan}
    row |= {"queries_99": np.nan, "best": 0.9, "rank_correlation": np.nan}
    return LeakReport(pd.DataFrame([row]), curve().assign(explanation=EVIL, defence="none"), EVIL, 0)


def comparison():
    layers = (LayerComparison(4, 4, 4, 1e-13), LayerComparison(3, 2, 0, None))
    return Comparison((4, 2), (4, 3), layers, 7, None, 4, None, 0.1, 1.0, 1.0, 0.5, 100, ())


def sweep():
    columns = {"victim": [EVIL, "digits"], "queries": [10, 20], "agreement": [0.9, 0.8], "error": ["", EVIL]}
    return Sweep(pd.DataFrame(columns), Path("results"), 1)


RESULTS = {
    "Reconstruction": lambda: Reconstruction(
        nn.Sequential(), (4, 3), 70, (40, 30), {"gradient": 70}, EVIL, 1e-13, True, 0, [EVIL]
    ),
    "Comparison": comparison,
    "LeakReport": report,
    "Stolen": lambda: Stolen(nn.Identity(), curve(), 100, EVIL, False, Weights(), 0),
    "BackdoorScan": scan,
    "Mitigation": lambda: Mitigation(nn.Identity(), 0.9, 0.8, {1: 1.0}, {1: 0.0}),
    "SaliencyMaps": maps,
    "Leakage": lambda: Leakage((1, 0.5), torch.rand(6, 2), torch.rand(2)),
    "Sweep": sweep,
    "CodeLength": lambda: CodeLength(
        80.0, 0.99, pd.DataFrame({"bits": [99.0, 70.0], "agreement": [1, 0.9]}), 0
    ),
    "DatamodelingScore": lambda: DatamodelingScore(np.ones(1), 1.0, np.ones((1, 2)), np.ones((1, 2))),
    "DomainInfluence": lambda: DomainInfluence(
        np.array([3, 4]), np.ones((1, 2)), np.ones((1, 2)), np.ones((1, 7))
    ),
    "FixCurve": lambda: FixCurve(np.array([0, 0.1]), np.array([0, 0.5]), np.array([0.9, 0.95])),
    "MislabelCurve": lambda: MislabelCurve(np.array([0.0, 1.0]), np.array([0.0, 1.0])),
    "TrainingAttack": lambda: TrainingAttack(
        np.array([4, 7]),
        np.array([True, False]),
        np.zeros((2, 1), int),
        np.zeros((2, 1, 3)),
        np.array([1, 9]),
        np.full((2, 2), 0.5),
    ),
    "Ranking": lambda: Ranking(np.array([[4]]), np.array([[-1.0]]), np.array([[7]]), np.array([[np.nan]])),
}
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


def public_classes():
    for part in pkgutil.iter_modules(divulge.__path__):
        if part.ispkg and part.name not in {"cli", "reference"}:
            package = import_module(f"divulge.{part.name}")
            yield from filter(isclass, (getattr(package, name) for name in package.__all__))


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
    figure = RESULTS[name]().plot()
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
        "print(type(maps.plot()).__name__, '<table>' in maps._repr_html_())"
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
