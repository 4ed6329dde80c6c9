"""Pictures of leak curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def leak_figure(curves: Mapping[str, pd.DataFrame], title: str = "") -> Figure:
    """Draw agreement against queries, a line for each name.

    Args:
        curves: data frames with the columns queries and agreement; several rows of one number of queries
            are drawn as their mean, with the range between the least and the largest behind it.
        title: above the picture.

    Raises:
        ValueError: no copy was compared with its victim.
    """
    if all(curve["agreement"].isna().all() for curve in curves.values()):
        raise ValueError("expected copies that were compared with their victim; pass test= to steal")
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    draw_curves(axes, curves)
    axes.set_title(title)
    axes.legend()
    return figure


def draw_curves(axes: Axes, curves: Mapping[str, pd.DataFrame]) -> None:
    """Draw such curves into axes that are there."""
    for name, curve in curves.items():
        groups = curve.groupby("queries")["agreement"]
        middle, low, high = groups.mean(), groups.min(), groups.max()
        (line,) = axes.plot(middle.index, middle, "o-", label=name)
        axes.fill_between(middle.index, low, high, color=line.get_color(), alpha=0.2)
    axes.set(xscale="log", xlabel="queries", ylabel="agreement", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
