"""The picture of a network beside its copy, and pictures written into files."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec
from numpy.typing import NDArray
from torch import nn

from divulge.arrays import Array
from divulge.comparison.flat_rows import of_flat_rows
from divulge.files import replacing
from divulge.filter_figures import COPY, VICTIM, filter_pairs, plot_filters
from divulge.panels import figure_of, new_figure
from divulge.victims.affine import HiddenLayers
from divulge.victims.lowering import hidden_layers

__all__ = ["plot_filters", "plot_reconstruction", "save_plot", "suffixes"]

if TYPE_CHECKING:
    from divulge.comparison import Comparison
    from divulge.victims import Victim

_COLUMNS = 16
_ROWS = 2


def suffixes() -> list[str]:
    """Return the suffixes of the files that figures can be drawn into, such as .png."""
    return [f".{kind}" for kind in sorted(Figure().canvas.get_supported_filetypes())]


def save_plot(drawn: Axes | NDArray[Any], path: Path) -> None:
    """Write what a plot returned to a file of the kind that its suffix names, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with replacing(path) as file:
        figure_of(drawn).savefig(file, format=path.suffix.removeprefix(".").lower())


def plot_reconstruction(
    victim: Victim,
    copy: nn.Module,
    comparison: Comparison,
    curve: Sequence[tuple[int, int, float]],
) -> NDArray[Any]:
    """Draw the first hidden layer's units, the victim's above the copy's, and the error against the queries.

    A unit is drawn as its input weights (the row a_i, divided by its norm, in the victim's sign), as an
    image where the input has the shape of one. At most 32 units are shown, those with the largest
    |a_i| |w_i|, w_i what the next layer makes of them. Of networks with convolutions these are drawn, a panel
    each, as `plot_filters` draws them.

    Args:
        victim: the model that was copied.
        copy: the copy, a module from (n, d) to (n, K).
        comparison: what `compare` says about the two.
        curve: (queries, units found, max|f - f^|) at several times; the error is drawn on a logarithmic axis.

    Returns:
        The array of Axes: the units', or the convolutions', then those of the error and of the units found.
    """
    if comparison.filters:
        return _draw_convolutions(victim, copy, curve)
    pairs = _pairs(victim, copy, comparison)
    bands = -(-len(pairs) // _COLUMNS)
    figure = new_figure(11, 3.2 + 1.65 * bands)
    grid = figure.add_gridspec(2, 1, height_ratios=[max(1.65 * bands, 1e-3), 3.2])
    if bands:
        area = grid[0].subgridspec(2 * bands, min(_COLUMNS, len(pairs)))
        _draw_units(area, pairs, _image_shape(victim.input_shape))
        figure.suptitle("hidden units: the victim's (blue frames) above the copy's (red frames)", fontsize=10)
    _draw_curve(figure.add_subplot(grid[1]), curve)
    return np.array(figure.axes, object)


def _draw_convolutions(
    victim: Victim, copy: nn.Module, curve: Sequence[tuple[int, int, float]]
) -> NDArray[Any]:
    """Draw a panel for each convolution, and the error."""
    layers = list(filter_pairs(victim, copy))
    figure = new_figure(11, 3.2 * (1 + len(layers)))
    panels = figure.subplots(len(layers) + 1, squeeze=False)[:, 0]
    for layer, panel in zip(layers, panels, strict=False):
        plot_filters(victim, copy, layer=layer, ax=panel)
    _draw_curve(panels[-1], curve)
    return np.array(figure.axes, object)


def _pairs(victim: Victim, copy: nn.Module, comparison: Comparison) -> list[tuple[Array, Array | None]]:
    """Rows of the victim's most important units, each with its partner's in the copy, turned to agree."""
    theirs = hidden_layers(victim.module, victim.input_shape)
    ours = hidden_layers(of_flat_rows(copy, victim), (victim.input_size,))
    if theirs is None:
        return []
    rows, readers = theirs.first
    size = np.linalg.norm(rows, axis=1) * np.linalg.norm(readers, axis=0)
    partner = dict(comparison.matches)
    shown = np.argsort(-size, kind="stable")[: _COLUMNS * _ROWS]
    return [(_direction(rows[i]), _partner(ours, partner.get(int(i)), rows[i])) for i in shown]


def _partner(net: HiddenLayers | None, unit: int | None, row: Array) -> Array | None:
    """Return a unit's direction in the sign of another row, or None where there is no such unit."""
    if net is None or unit is None:
        return None
    own = net.first[0][unit]
    return _direction(own) * (1 if own @ row >= 0 else -1)


def _direction(row: Array) -> Array:
    """A row divided by its norm."""
    return row / max(float(np.linalg.norm(row)), 1e-300)


def _image_shape(input_shape: Sequence[int]) -> tuple[int, int]:
    """Height and width in which d numbers are drawn: the last two axes of an image, a square, or one line."""
    if len(input_shape) >= 2 and input_shape[-2] > 1:
        return int(np.prod(input_shape[:-1])), input_shape[-1]
    d = int(np.prod(input_shape))
    return (isqrt(d), isqrt(d)) if isqrt(d) ** 2 == d else (1, d)


def _draw_units(
    area: GridSpecFromSubplotSpec, pairs: list[tuple[Array, Array | None]], shape: tuple[int, int]
) -> None:
    """Draw pairs of rows in bands of two lines, the victim's above the copy's."""
    axes = area.subplots(squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for i, pair in enumerate(pairs):
        band, column = divmod(i, _COLUMNS)
        for line, row in enumerate(pair):
            _draw_row(axes[2 * band + line, column], row, shape, COPY if line else VICTIM)


def _draw_row(axis: Axes, row: Array | None, shape: tuple[int, int], colour: str) -> None:
    """Draw one row as an image, or an empty frame where there is none."""
    axis.axis("on")
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_color(colour)
    if row is None:
        axis.text(0.5, 0.5, "not found", ha="center", va="center", fontsize=6, transform=axis.transAxes)
        return
    limit = np.abs(row).max()
    options: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    axis.imshow(row.reshape(shape), aspect="equal" if shape[0] > 1 else "auto", **options)


def _draw_curve(axis: Axes, curve: Sequence[tuple[int, int, float]]) -> None:
    """Draw error (left, logarithmic) and units found (right) against queries."""
    axis.set(xlabel="queries", yscale="log", ylabel=r"$\max|f - \hat f|$")
    axis.yaxis.label.set_color(COPY)
    drawn = [(queries, units, error) for queries, units, error in curve if np.isfinite(error)]
    if not drawn:
        return
    queries, units, errors = (np.array(column) for column in zip(*drawn, strict=True))
    tiny = float(np.finfo(float).tiny)
    axis.plot(queries, np.maximum(errors, tiny), "o-", color=COPY, markersize=3)
    other = axis.twinx()
    other.step(queries, units, where="post", color=VICTIM, linewidth=1)
    other.set_ylabel("hidden units found", color=VICTIM)
    other.set_ylim(bottom=0)
