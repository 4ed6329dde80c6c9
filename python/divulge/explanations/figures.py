"""Pictures of additive explanations, counterfactuals and trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from divulge.explanations.additive_result import Additive
    from divulge.explanations.terms import Pair

_LINE, _BAND = "#30638e", "#9aa5b1"
_ACROSS = 3


def shapes_figure(additive: Additive, most: int = 9) -> Figure:
    """Draw the shapes of the columns that explain most, then the pairs.

    Raises:
        ValueError: no panel is asked for.
    """
    if most < 1:
        raise ValueError(f"expected at least one panel, got {most}")
    names = [str(column.name) for column in additive.columns]
    order = [names.index(term) for term in additive.to_frame()["term"] if term in names][:most]
    count = len(order) + len(additive.terms.pairs)
    lines = -(-count // _ACROSS)
    figure = Figure(figsize=(3.2 * min(count, _ACROSS), 2.5 * lines), layout="constrained")
    axes = list(figure.subplots(lines, min(count, _ACROSS), squeeze=False).flat)
    for axis, j in zip(axes, order, strict=False):
        _draw_shape(axis, additive, j)
    for axis, pair in zip(axes[len(order) :], additive.terms.pairs, strict=False):
        _draw_pair(figure, axis, pair, names)
    for axis in axes[count:]:
        axis.axis("off")
    return figure


def _draw_shape(axis: Axes, additive: Additive, j: int) -> None:
    """One column's shape: a line with its interval, bars for words."""
    column = additive.columns[j]
    rows = additive.shapes[additive.shapes["column"] == column.name]
    effect, low, high = (rows[part].to_numpy(float) for part in ("effect", "low", "high"))
    axis.axhline(0, color=_BAND, linewidth=0.8)
    axis.set_title(str(column.name), fontsize=9)
    if column.categories:
        places = np.arange(len(rows))
        axis.bar(places, effect, color=_LINE)
        axis.vlines(places, low, high, color="black")
        axis.set_xticks(places, [str(value) for value in rows["value"]], rotation=45, fontsize=7)
        return
    values = additive.terms.grids[j]
    axis.plot(values, effect, color=_LINE)
    axis.fill_between(values, low, high, color=_LINE, alpha=0.25)


def _draw_pair(figure: Figure, axis: Axes, pair: Pair, names: list[str]) -> None:
    """One pair's term as a picture."""
    limit = max(float(np.abs(pair.effects).max()), 1e-300)
    drawn = axis.pcolormesh(
        pair.left, pair.right, pair.effects.T, cmap="RdBu_r", vmin=-limit, vmax=limit, shading="nearest"
    )
    figure.colorbar(drawn, ax=axis)
    axis.set(xlabel=names[pair.columns[0]], ylabel=names[pair.columns[1]])
