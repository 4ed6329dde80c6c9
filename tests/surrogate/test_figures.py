import pandas as pd

from divulge.surrogate.figures import plot_leaks


def test_a_line_for_each_name():
    curve = pd.DataFrame({"queries": [10, 10, 100], "agreement": [0.4, 0.6, 0.9]})
    axes = plot_leaks({"gradient": curve, "label": curve.assign(agreement=0.2)}, "digits")
    assert axes.figure.axes == [axes]
    assert [line.get_label() for line in axes.lines] == ["gradient", "label"]
    assert list(axes.lines[0].get_ydata()) == [0.5, 0.9]
    assert axes.get_xscale() == "log"


def test_a_second_plot_joins_the_first():
    curve = pd.DataFrame({"queries": [10, 100], "agreement": [0.4, 0.9]})
    axes = plot_leaks({"gradient": curve}, "digits")
    assert plot_leaks({"label": curve.assign(queries=[5, 50])}, ax=axes) is axes
    first, second = axes.lines
    assert first.get_color() != second.get_color()
    assert axes.get_title() == "digits"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["gradient", "label"]
    assert list(axes.get_xticks()) == [5, 10, 50, 100]
