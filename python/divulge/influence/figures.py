"""Figures of influences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from divulge.influence.mislabels import FixCurve
from divulge.influence.truth import MislabelCurve
from divulge.palette import tell_lines_apart
from divulge.panels import new_figure, one_panel
from divulge.points import host_array

__all__ = ["draw_image", "plot_checked", "plot_images", "plot_mislabels"]

Row = tuple[str, ArrayLike, Sequence[str]]


def plot_images(rows: Sequence[Row], title: str = "") -> NDArray[Any]:
    """Draw rows of images, each with a caption, such as a test image, its helpful and its harmful ones.

    Args:
        rows: (name, images (k, height, width) or (k, channels, height, width) with numbers from 0 to 1,
            k captions) of each.
        title: above them.

    Returns:
        The array of Axes (rows, images of the longest row).
    """
    pictures = [np.asarray(host_array(images)) for _, images, _ in rows]
    columns = max(len(part) for part in pictures)
    figure = new_figure(0.95 * columns + 1.1, 1.35 * len(rows) + 0.4)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for line, part, (name, _, captions) in zip(axes, pictures, rows, strict=True):
        line[0].text(
            -0.15, 0.5, name, ha="right", va="center", rotation=90, fontsize=8, transform=line[0].transAxes
        )
        for axis, image, caption in zip(line, part, captions, strict=False):
            draw_image(axis, image)
            axis.set_title(caption, fontsize=7)
    figure.suptitle(title, fontsize=10)
    return axes


def draw_image(axis: Axes, image: NDArray[Any]) -> None:
    """Draw an image (height, width) or (channels, height, width) with numbers from 0 to 1."""
    pixels = image if image.ndim == 2 else np.moveaxis(image, 0, -1).squeeze()
    options: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 1} if pixels.ndim == 2 else {}
    axis.imshow(np.clip(pixels, 0, 1), **options)
    axis.axis("off")


def plot_mislabels(found: Mapping[str, MislabelCurve], fixed: Mapping[str, FixCurve]) -> NDArray[Any]:
    """Draw, for several orders by name, flipped labels found and test accuracy against labels checked.

    A panel without curves is left out.

    Returns:
        The array of Axes, one or two.

    Raises:
        ValueError: there is no curve.
    """
    drawn: list[Mapping[str, Any]] = [curves for curves in (found, fixed) if curves]
    if not drawn:
        raise ValueError("expected at least one curve, got none")
    axes: NDArray[Any] = new_figure(4.2 * len(drawn), 3.4).subplots(1, len(drawn), squeeze=False)[0]
    for axis, curves in zip(axes, drawn, strict=True):
        plot_checked(curves, ax=axis)
    return axes


def plot_checked(curves: Mapping[str, MislabelCurve | FixCurve], *, ax: Axes | None = None) -> Axes:
    """Draw curves of one kind, by name, against the share of labels checked.

    Args:
        curves: all `MislabelCurve`, or all `FixCurve`.
        ax: to draw into. None: a figure of its own.

    Returns:
        The Axes.
    """
    axis = one_panel(ax, 4.2, 3.4)
    tell_lines_apart(axis)
    for name, curve in curves.items():
        if isinstance(curve, FixCurve):
            axis.set(
                xlabel="share of labels checked and set right", ylabel="test accuracy after training again"
            )
            axis.plot(curve.checked, curve.accuracy, markersize=4, label=name)
            continue
        axis.set(xlabel="share of labels checked", ylabel="share of wrong labels found", ylim=(0, 1.02))
        label = f"{name} (area {curve.area:.3f})"
        axis.plot(curve.checked, curve.found, markersize=4, markevery=0.1, label=label)
    axis.legend(fontsize=8)
    return axis
