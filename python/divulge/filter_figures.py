"""The filters of a convolution, the victim's beside the copy's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from divulge.arrays import Array
from divulge.comparison.filterwise import Pair, paired_filters
from divulge.comparison.flat_rows import of_flat_rows
from divulge.comparison.image_layers import image_network
from divulge.panels import one_panel

__all__ = ["COPY", "VICTIM", "filter_pairs", "plot_filters"]

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from divulge.victims import Victim

VICTIM, COPY = "#30638e", "#d1495b"
_FILTERS = 16
_CHANNELS = 8
_INCHES = 0.12  # of an entry


def plot_filters(victim: Victim, copy: nn.Module, *, layer: int = 1, ax: Axes | None = None) -> Axes:
    """Draw the filters of one convolution: the victim's in a blue frame, the copy's in a red one below.

    A column is a filter of norm 1, its channels below each other in the order and the scale in which those
    of the layer before were matched, red above 0 and blue below. At most 16 filters and 8 channels are shown,
    the first ones of the victim. A filter that the copy lacks is left empty.

    Args:
        victim: the model that was copied.
        copy: the copy, a module from (n, d) to (n, K).
        layer: which hidden layer, 1 for the first.
        ax: where to draw, by default a new figure.

    Raises:
        ValueError: the layer is no convolution, or copy and victim do not have it in common.
    """
    pairs = filter_pairs(victim, copy)
    if layer not in pairs:
        common = ", ".join(map(str, pairs)) or "none"
        raise ValueError(
            f"expected a layer that is a convolution of both victim and copy ({common}), got {layer}"
        )
    shown = pairs[layer][:_FILTERS]
    blocks = [_block([pair[side] for pair in shown], shown[0][0].shape) for side in (0, 1)]
    height, width = blocks[0].shape
    ax = one_panel(ax, 1.2 + _INCHES * width, 0.6 + 2 * _INCHES * height)
    for k, (block, colour, name) in enumerate(zip(blocks, (VICTIM, COPY), ("victim", "copy"), strict=True)):
        top = k * (height + 1)
        place = (-0.5, width - 0.5, top + height - 0.5, top - 0.5)
        ax.imshow(block, cmap="RdBu_r", vmin=-1, vmax=1, extent=place, interpolation="nearest")
        left, right, bottom, above = place
        ax.plot([left, right, right, left, left], [bottom, bottom, above, above, bottom], color=colour)
        ax.text(-1.5, top + height / 2 - 0.5, name, color=colour, ha="right", va="center", fontsize=8)
    _say_missing(ax, [pair[1] for pair in shown], height, shown[0][0].shape[2] + 1)
    ax.set(xlim=(-1, width), ylim=(2 * height + 1, -1), aspect="equal")
    ax.set_axis_off()
    rows, columns = shown[0][0].shape[1:]
    ax.set_title(f"layer {layer}: {len(pairs[layer])} filters of {rows}x{columns}", fontsize=9)
    return ax


def filter_pairs(victim: Victim, copy: nn.Module) -> dict[int, list[Pair]]:
    """Return (the victim's filter, the copy's or None), norm 1, shape (C, kh, kw), of each convolution."""
    flat = of_flat_rows(copy, victim)
    networks = image_network(flat, (victim.input_size,)), image_network(victim.module, victim.input_shape)
    return paired_filters(*networks)


def _block(filters: list[Array | None], shape: tuple[int, ...]) -> Array:
    """Filters as columns, channels below each other, with empty lines between; each by its largest entry."""
    channels, rows, columns = shape
    channels = min(channels, _CHANNELS)
    found = np.full((channels * (rows + 1) + 1, len(filters) * (columns + 1) + 1), np.nan)
    for i, one in enumerate(filters):
        if one is None:
            continue
        across = slice(1 + i * (columns + 1), (i + 1) * (columns + 1))
        for j in range(channels):
            found[1 + j * (rows + 1) : (j + 1) * (rows + 1), across] = one[j] / max(np.abs(one).max(), 1e-300)
    return found


def _say_missing(ax: Axes, filters: list[Array | None], height: int, step: int) -> None:
    """Write where a filter has no partner."""
    for i, one in enumerate(filters):
        if one is None:
            middle = height + 1 + height / 2 - 0.5
            ax.text((i + 0.5) * step, middle, "not found", rotation=90, fontsize=6, ha="center", va="center")
