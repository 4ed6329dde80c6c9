"""Pictures of additive explanations, counterfactuals and trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from divulge.panels import new_figure

if TYPE_CHECKING:
    from divulge.explanations.additive_result import Additive
    from divulge.explanations.counterfactual_result import Counterfactuals
    from divulge.explanations.terms import Pair
    from divulge.explanations.tree import ExplanationTree

_LINE, _BAND = "#30638e", "#9aa5b1"
_ACROSS = 3


def plot_shapes(additive: Additive, most: int = 9) -> NDArray[Any]:
    """Draw the shapes of the columns that explain most, then the pairs.

    Returns:
        The array of Axes, one for each of them.

    Raises:
        ValueError: no panel is asked for.
    """
    if most < 1:
        raise ValueError(f"expected at least one panel, got {most}")
    names = [str(column.name) for column in additive.columns]
    order = [names.index(term) for term in additive.to_frame()["term"] if term in names][:most]
    count = len(order) + len(additive.terms.pairs)
    lines = -(-count // _ACROSS)
    figure = new_figure(3.2 * min(count, _ACROSS), 2.5 * lines)
    axes = figure.subplots(lines, min(count, _ACROSS), squeeze=False).flatten()
    for axis, j in zip(axes, order, strict=False):
        _draw_shape(axis, additive, j)
    for axis, pair in zip(axes[len(order) :], additive.terms.pairs, strict=False):
        _draw_pair(axis, pair, names)
    for axis in axes[count:]:
        axis.axis("off")
    return axes[:count]


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


def _draw_pair(axis: Axes, pair: Pair, names: list[str]) -> None:
    """One pair's term as a picture."""
    limit = max(float(np.abs(pair.effects).max()), 1e-300)
    drawn = axis.pcolormesh(
        pair.left, pair.right, pair.effects.T, cmap="RdBu_r", vmin=-limit, vmax=limit, shading="nearest"
    )
    axis.figure.colorbar(drawn, ax=axis)
    axis.set(xlabel=names[pair.columns[0]], ylabel=names[pair.columns[1]])


def plot_counterfactuals(found: Counterfactuals, point: int = 0) -> NDArray[Any]:
    """Draw one point and its counterfactuals as lines over the columns, and how often each column is changed.

    Returns:
        The array of two Axes: lines, and bars.

    Raises:
        ValueError: there is no such point.
    """
    if not 0 <= point < len(found.fronts):
        raise ValueError(f"expected a point from 0 to {len(found.fronts) - 1}, got {point}")
    front = found.fronts[point]
    valid = front.rows[front.objectives[:, 0] == front.objectives[0, 0]]
    low = np.array([column.low for column in found.columns])
    extent = np.array([max(column.high - column.low, 1e-300) for column in found.columns])
    names = [str(column.name) for column in found.columns]
    figure = new_figure(max(5.0, 0.45 * len(names) + 2), 5.4)
    axes: NDArray[Any] = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    lines, bars = axes
    places = np.arange(len(names))
    for row in valid:
        lines.plot(places, (row - low) / extent, color=_LINE, alpha=0.4, linewidth=1)
    lines.plot(places, (found.points[point] - low) / extent, "o-", color="black", label=f"point {point}")
    lines.set_ylabel("place in the column's range")
    lines.legend(fontsize=8)
    bars.bar(places, found.changed()["share"], color=_LINE)
    bars.set_ylabel("share that changes it")
    bars.set_xticks(places, names, rotation=90, fontsize=7)
    return axes


def plot_tree(tree: ExplanationTree, groups: int = 8) -> NDArray[Any]:
    """Draw how rows fuse as the penalty grows, and beside it the explanations of the groups at a level.

    Returns:
        The array of two Axes: the tree, and the explanations.

    Raises:
        ValueError: no group is asked for.
    """
    level = tree.cut(groups)
    figure = new_figure(9, 3.8)
    axes: NDArray[Any] = figure.subplots(1, 2, width_ratios=[3, 2])
    left, right = axes
    _draw_tree(left, tree)
    order = np.argsort(-level.pooled.sizes, kind="stable")
    shown = level.pooled.explanations[order]
    limit = max(float(np.abs(shown).max()), 1e-300)
    drawn = right.imshow(shown, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    right.set_yticks(range(len(order)), [f"{size} rows" for size in level.pooled.sizes[order]], fontsize=7)
    right.set(xlabel="column", title=f"{level.count} groups")
    figure.colorbar(drawn, ax=right)
    return axes


def _draw_tree(axis: Axes, tree: ExplanationTree) -> None:
    """Lines from each group to its parts, at the height of the level where they fuse."""
    graph = tree.graph()
    order = np.lexsort([level.groups for level in tree.levels])
    place = np.argsort(order, kind="stable")
    across = {node: float(place[rows].mean()) for node, rows in graph.nodes(data="rows")}
    height = dict(graph.nodes(data="level"))
    lines = []
    for above, below in graph.edges:
        corner = (across[below], height[above])
        lines.append([(across[above], height[above]), corner, (across[below], height[below])])
    axis.add_collection(LineCollection(lines, colors=_LINE, linewidths=0.7))
    axis.set(
        xlim=(-1, len(place)),
        ylim=(-0.5, len(tree.levels) - 0.5),
        xlabel="rows",
        ylabel="levels, from one explanation a row to one for all",
        xticks=[],
    )
