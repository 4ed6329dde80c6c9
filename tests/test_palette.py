from itertools import combinations

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from divulge.palette import COLOURS, tell_lines_apart

# What who lacks one kind of cones sees of linear RGB: F. Viénot, H. Brettel, J. D. Mollon, 1999.
DEUTAN = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
PROTAN = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def test_colours_are_told_apart_without_red_or_green():
    for seen in (DEUTAN, PROTAN):
        for one, other in combinations(COLOURS, 2):
            assert np.abs(seen @ (linear(one) - linear(other))).max() > 0.08, (one, other)


def test_no_two_lines_of_a_picture_look_alike():
    axes = Figure().subplots()
    tell_lines_apart(axes)
    lines = [axes.plot([0, 1])[0] for _ in range(21)]
    assert len({(x.get_color(), x.get_marker(), x.get_linestyle()) for x in lines}) == 21
    assert len({(x.get_marker(), x.get_linestyle()) for x in lines}) == 21  # in grey, too
