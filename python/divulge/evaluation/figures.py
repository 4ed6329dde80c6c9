"""Figures of attributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from divulge.influence.figures import draw_image
from divulge.palette import tell_lines_apart
from divulge.panels import new_figure, one_panel
from divulge.points import host_array

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_attributions", "plot_roar"]


def plot_attributions(inputs: Tensor, attributions: Mapping[str, Tensor], title: str = "") -> NDArray[Any]:
    """Draw images, and below each its attributions, one row a model.

    Args:
        inputs: (k, channels, height, width), from 0 to 1.
        attributions: (k, channels, height, width) by name; drawn is the sum of the absolute values over the
            channels, black at zero, white at the largest of each image.
        title: above them.

    Returns:
        The array of Axes (1 + models, k).
    """
    pictures = np.asarray(host_array(inputs))
    height, width = pictures.shape[2:]
    rows = 1 + len(attributions)
    figure = new_figure(0.9 * len(pictures) + 0.6, 0.9 * rows * height / width + 0.5)
    axes = figure.subplots(rows, len(pictures), squeeze=False)
    for axis, image in zip(axes[0], pictures, strict=True):
        draw_image(axis, image)
    for line, maps in zip(axes[1:], attributions.values(), strict=True):
        for axis, values in zip(line, np.asarray(host_array(maps)), strict=True):
            sizes = np.abs(values).sum(axis=0)
            axis.imshow(sizes, cmap="inferno", vmin=0, vmax=max(float(sizes.max()), 1e-30))
            axis.axis("off")
    for line, name in zip(axes, ["image", *attributions], strict=True):
        _name(line[0], name)
    figure.suptitle(title, fontsize=10)
    return axes


def _name(axis: Any, name: str) -> None:
    axis.text(-0.15, 0.5, name, ha="right", va="center", rotation=90, fontsize=8, transform=axis.transAxes)


def plot_roar(frames: Mapping[str, pd.DataFrame], *, ax: Axes | None = None) -> Axes:
    """Draw DiffROAR against the share of coordinates kept, for several tables by name.

    Args:
        frames: what `diffroar` returned; the random ranking is that of the first.
        ax: to draw into. None: a figure of its own.

    Returns:
        The Axes.
    """
    axis = one_panel(ax, 5.6)
    tell_lines_apart(axis)
    for i, (name, frame) in enumerate(frames.items()):
        share = 100 * frame["level"] if (frame["level"] <= 1).all() else frame["k"]
        if not i and "random" in frame:
            axis.fill_between(share, frame["random_low"], frame["random_high"], color="#9aa5b1", alpha=0.35)
            axis.plot(
                share, frame["random"], color="#9aa5b1", marker="", linestyle="-", label="random ranking"
            )
        errors = np.abs(frame[["low", "high"]].to_numpy().T - frame["diffroar"].to_numpy())
        axis.errorbar(share, frame["diffroar"], np.nan_to_num(errors), capsize=3, label=name)
    axis.axhline(0, color="black", linewidth=0.6)
    axis.set(xlabel="coordinates kept, %", ylabel="DiffROAR: accuracy of top minus bottom")
    axis.legend(fontsize=8)
    return axis
