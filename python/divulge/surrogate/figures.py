"""Pictures of leak curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import NullFormatter, ScalarFormatter

from divulge.palette import tell_lines_apart
from divulge.panels import one_panel

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


# Numbers of queries that have room below the picture.
_MOST_TICKS = 8


def plot_leaks(
    curves: Mapping[str, pd.DataFrame],
    title: str = "",
    *,
    measure: str = "agreement",
    ax: Axes | None = None,
) -> Axes:
    """Draw agreement against queries, a line for each name.

    Args:
        curves: data frames with the columns queries and agreement; several rows of one number of queries
            are drawn as their mean, with the range between the least and the largest behind it.
        title: above the picture.
        measure: what the agreement is called.
        ax: to draw into. None: a figure of its own.

    Returns:
        The Axes.

    Raises:
        ValueError: no copy was compared with its victim.
    """
    if all(curve["agreement"].isna().all() for curve in curves.values()):
        raise ValueError("expected copies that were compared with their victim; pass test= to steal")
    axes = one_panel(ax)
    draw_curves(axes, curves)
    axes.set_ylabel(measure)
    axes.set_title(title or axes.get_title())
    axes.legend()
    return axes


def plot_leaked(curves: Mapping[str, pd.DataFrame], title: str = "", *, ax: Axes | None = None) -> Axes:
    """Draw which share of the bits that a victim holds its copies tell, from 0 to 100%, against queries.

    Args:
        curves: data frames with the columns queries, bits_held and bits_told, see `steal(bits=...)`.
        title: above the picture.
        ax: to draw into. None: a figure of its own.

    Returns:
        The Axes.

    Raises:
        ValueError: no bits were told.
    """
    if not all("bits_told" in curve for curve in curves.values()):
        raise ValueError("expected curves with bits; pass bits= to steal or leak_report")
    shares = {
        name: curve.assign(leaked=100 * curve["bits_told"] / curve["bits_held"])
        for name, curve in curves.items()
    }
    axes = one_panel(ax)
    draw_curves(axes, shares, "leaked")
    axes.set(title=title or axes.get_title(), ylabel="bits told, % of those held", ylim=(0, 102))
    axes.legend()
    return axes


def draw_curves(axes: Axes, curves: Mapping[str, pd.DataFrame], column: str = "agreement") -> None:
    """Draw a column of such curves into axes that are there."""
    tell_lines_apart(axes)
    for name, curve in curves.items():
        groups = curve.groupby("queries")[column]
        middle, low, high = groups.mean(), groups.min(), groups.max()
        (line,) = axes.plot(middle.index, middle, label=name)
        axes.fill_between(middle.index, low, high, color=line.get_color(), alpha=0.2)
    axes.set(xscale="log", xlabel="queries", ylabel="agreement", ylim=(0, 1.02))
    drawn = [line for line in axes.lines if line.get_transform() == axes.transData]  # no line right across
    queries = sorted({float(count) for line in drawn for count in np.asarray(line.get_xdata())})
    axes.set_xticks(queries[:: -(-len(queries) // _MOST_TICKS)])
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
