import pandas as pd

from divulge.surrogate.figures import leak_figure


def test_a_line_for_each_name():
    curve = pd.DataFrame({"queries": [10, 10, 100], "agreement": [0.4, 0.6, 0.9]})
    figure = leak_figure({"gradient": curve, "label": curve.assign(agreement=0.2)}, "digits")
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines] == ["gradient", "label"]
    assert list(axes.lines[0].get_ydata()) == [0.5, 0.9]
    assert axes.get_xscale() == "log"
