"""The picture of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.panels import new_figure
from divulge.sweep.summary import settings_that_vary

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_PANELS = (("queries", "queries"), ("agreement", "agreement"))


def plot_sweep(table: pd.DataFrame) -> NDArray[Any]:
    """Draw queries and agreement of every run, one line a combination, with the medians marked.

    Returns:
        The array of two Axes.
    """
    by = settings_that_vary(table)
    groups = list(table.groupby(by, sort=False, dropna=False))
    names = [", ".join(str(value) for value in values) for values, _ in groups]
    axes: NDArray[Any] = new_figure(10, 1.2 + 0.32 * len(groups)).subplots(1, 2, sharey=True)
    for axis, (column, label) in zip(axes, _PANELS, strict=True):
        for place, (_, group) in enumerate(groups):
            if column not in group:
                continue
            values = group[column].dropna().to_numpy(float)
            axis.plot(values, np.full(len(values), place), ".", color="#9aa5b1", alpha=0.6)
            if len(values):
                axis.plot(np.median(values), place, "|", color="#d1495b", markersize=14, markeredgewidth=2)
        axis.set(xlabel=label, yticks=range(len(names)), yticklabels=names)
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_xscale("log")
    axes[0].invert_yaxis()
    return axes
