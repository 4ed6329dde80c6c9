"""Every plot returns its Axes, and one of a single panel draws into those that it is given."""

import inspect

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from shown_results import EVIL, RESULTS, curve, public_classes, report, scan, sweep
from torch import nn

from divulge import Victim, compare
from divulge.backdoors.figures import plot_triggers
from divulge.evaluation.figures import plot_attributions, plot_roar
from divulge.explanations import additive, counterfactuals, multilevel
from divulge.influence import FixCurve, MislabelCurve, Prototypes, Ranking
from divulge.influence.figures import plot_checked, plot_images, plot_mislabels
from divulge.panels import figure_of, new_figure
from divulge.plots import plot_filters, plot_reconstruction, save_plot
from divulge.report.page import picture
from divulge.saliency.views import comparison, gallery
from divulge.surrogate.figures import plot_leaked, plot_leaks
from divulge.sweep.figures import plot_sweep

IMAGES = np.random.default_rng(0).random((9, 4, 4))
TABLE = np.random.default_rng(0).normal(size=(60, 3))
ROAR = {"level": [0.1, 0.9], "k": [1, 9], "diffroar": [0.1, 0.2], "low": [0, 0.1], "high": [0.2, 0.3]}


def told(x):
    return x[:, 0] + x[:, 1] ** 2


def bits():
    return {"label": curve().assign(bits_held=100.0, bits_told=[10.0, 50.0])}


def reconstruction(**given):
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    victim = Victim(module, (4,))
    return plot_reconstruction(victim, module, compare(module, victim), [(9, 3, 1e-9)], **given)


def filters(**given):
    torch.manual_seed(0)
    parts = [nn.Unflatten(1, (1, 5, 5)), nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 2)]
    module = nn.Sequential(*parts).double()
    return plot_filters(Victim(module, (25,)), module, **given)


def leaked(**given):
    told = report()
    told.curves[["bits_held", "bits_told"]] = [[100.0, 10.0], [100.0, 50.0]]
    return told.plot_leaked(**given)


def maps():
    return RESULTS["SaliencyMaps"]()


def found():
    return MislabelCurve(np.array([0.0, 1.0]), np.array([0.0, 1.0]))


def fixed():
    return FixCurve(np.array([0, 0.1]), np.array([0, 0.5]), np.array([0.9, 0.95]))


def prototypes(**given):
    rows, numbers = np.array([1, 2]), np.array([0.5, 0.2])
    parts = {"rows": rows, "weights": numbers, "unexplained": numbers, "criticisms": rows, "witness": numbers}
    blank = dict.fromkeys(Prototypes.__dataclass_fields__)
    return Prototypes(**{**blank, **parts}).plot(IMAGES, **given)


ROWS = [("some", IMAGES[:3], "abc"), ("others", IMAGES[3:5], "de")]
RANKING = Ranking(np.array([[4]]), np.array([[-1.0]]), np.array([[7]]), np.array([[2.0]]))
ONE = {
    "Stolen.plot": lambda **given: RESULTS["Stolen"]().plot(**given),
    "LeakReport.plot": lambda **given: report().plot(**given),
    "LeakReport.plot_leaked": leaked,
    "MislabelCurve.plot": lambda **given: found().plot(**given),
    "FixCurve.plot": lambda **given: fixed().plot(**given),
    "plot_leaks": lambda **given: plot_leaks({"label": curve()}, **given),
    "plot_leaked": lambda **given: plot_leaked(bits(), **given),
    "plot_checked": lambda **given: plot_checked({"a": found()}, **given),
    "plot_roar": lambda **given: plot_roar({"a": frame(ROAR)}, **given),
    "plot_filters": filters,
}
DRAWN_OVER = {"plot_roar", "plot_filters"}  # a second call does not add curves of other looks
SEVERAL = {
    "BackdoorScan.plot": lambda: scan().plot(),
    "SaliencyMaps.plot": lambda: maps().plot(),
    "Sweep.plot": lambda: sweep().plot(),
    "Ranking.plot": lambda: RANKING.plot(IMAGES, IMAGES),
    "Prototypes.plot": prototypes,
    "Additive.plot": lambda: additive(told, TABLE, refits=0).plot(),
    "Counterfactuals.plot": lambda: counterfactuals(
        told, TABLE[:2], data=TABLE, target=(1, 2), generations=2
    ).plot(),
    "ExplanationTree.plot": lambda: multilevel(TABLE, TABLE).plot(),
    "gallery": lambda: gallery(maps()),
    "comparison": lambda: comparison(maps(), maps()),
    "plot_triggers": lambda: plot_triggers(scan()),
    "plot_images": lambda: plot_images(ROWS),
    "plot_mislabels": lambda: plot_mislabels({"a": found()}, {"a": fixed()}),
    "plot_attributions": lambda: plot_attributions(*[torch.rand(2, 1, 4, 4)], {"a": torch.rand(2, 1, 4, 4)}),
    "plot_reconstruction": reconstruction,
    "plot_sweep": lambda: plot_sweep(sweep().table),
}


def frame(columns):
    import pandas as pd

    return pd.DataFrame(columns)


def test_every_plot_of_a_public_class_is_looked_at():
    methods = {
        f"{kind.__name__}.{name}": method
        for kind in public_classes()
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if name.startswith("plot")
    }
    assert set(methods) == {name for name in {**ONE, **SEVERAL} if "." in name}
    for name, method in methods.items():
        assert ("ax" in inspect.signature(method).parameters) == (name in ONE), name


@pytest.mark.parametrize("name", ONE)
def test_a_plot_of_one_panel_goes_where_it_is_told(name, tmp_path):
    alone = ONE[name]()
    assert isinstance(alone, Axes)
    assert alone.figure.axes == [alone]
    alone.figure.savefig(tmp_path / "alone.png")
    mine, other = Figure().subplots(1, 2)
    assert ONE[name](ax=mine) is mine
    assert mine.lines
    assert not other.lines
    assert mine.figure.axes == [mine, other]
    looks = [(line.get_color(), line.get_marker()) for line in mine.lines if line.get_marker() != ""]
    ONE[name](ax=mine)
    again = [(line.get_color(), line.get_marker()) for line in mine.lines if line.get_marker() != ""]
    assert name in DRAWN_OVER or len(set(again)) == 2 * len(set(looks))
    mine.figure.savefig(tmp_path / "mine.png")
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", SEVERAL)
def test_a_plot_of_several_panels_returns_their_array(name, tmp_path):
    axes = SEVERAL[name]()
    assert isinstance(axes, np.ndarray)
    assert all(isinstance(axis, Axes) for axis in axes.flat)
    assert {axis.figure for axis in axes.flat} == {figure_of(axes)}
    axes.flat[0].figure.savefig(tmp_path / "all.png")
    assert (tmp_path / "all.png").stat().st_size > 1000
    assert plt.get_fignums() == []


def test_a_notebook_shows_the_figure_by_itself(monkeypatch):
    assert not hasattr(new_figure(2, 1), "number")
    monkeypatch.setattr("divulge.panels.in_notebook", lambda: True)
    try:
        figure = new_figure(2, 1)
        assert plt.get_fignums() == [figure.number]
    finally:
        plt.close("all")


def test_a_part_of_a_figure_and_a_line_right_across_are_minded(tmp_path):
    whole = Figure()
    axes = whole.subfigures(1, 2)[0].subplots()
    axes.axhline(0.5)
    assert plot_leaks({"label": curve()}, ax=axes) is axes
    assert list(axes.get_xticks()) == [10, 100]
    assert figure_of(axes) is whole
    save_plot(axes, tmp_path / "whole.png")


def test_a_report_as_a_page_shows_no_figure_in_a_notebook(monkeypatch):
    monkeypatch.setattr("divulge.panels.in_notebook", lambda: True)
    try:
        assert picture(report().curves, EVIL).startswith("<svg")
        assert plt.get_fignums() == []
    finally:
        plt.close("all")
