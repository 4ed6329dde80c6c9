"""Where pictures are drawn: into Axes that are given, or into those of a new figure.

Whatever draws one panel takes `ax=` and returns those Axes; whatever draws several returns the array of
theirs. `axes.figure.savefig(path)`, or `axes.flat[0].figure.savefig(path)`, writes the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.progress_bar import in_notebook

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["figure_of", "new_figure", "one_panel"]


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches; in a notebook one of pyplot's, which its cell shows."""
    options: dict[str, Any] = {"figsize": (width, height), "layout": "constrained"}
    if in_notebook():
        from matplotlib import pyplot as plt

        return plt.figure(**options)
    from matplotlib.figure import Figure

    return Figure(**options)


def one_panel(ax: Axes | None, width: float = 6, height: float = 3.6) -> Axes:
    """Return the Axes that are given, or those of a new figure of that size in inches."""
    return new_figure(width, height).subplots() if ax is None else ax


def figure_of(drawn: Axes | NDArray[Any]) -> Figure:
    """Return the figure of what a plot returned: Axes, or an array of them."""
    figure: Figure = np.ravel(np.asarray(drawn, object))[0].figure.figure  # of a part of a figure, the whole
    return figure
