"""Figures of influences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from divulge.influence.mislabels import FixCurve
from divulge.influence.truth import MislabelCurve
from divulge.palette import tell_lines_apart
from divulge.points import host_array

__all__ = ["draw_image", "images_figure", "mislabel_figure"]

Row = tuple[str, ArrayLike, Sequence[str]]


def images_figure(rows: Sequence[Row], title: str = "") -> Figure:
    """Draw rows of images, each with a caption, such as a test image, its helpful and its harmful ones.

    Args:
        rows: (name, images (k, height, width) or (k, channels, height, width) with numbers from 0 to 1,
            k captions) of each.
        title: above them.

    Returns:
        A figure of its own, to be saved with `savefig`.
    """
    pictures = [np.asarray(host_array(images)) for _, images, _ in rows]
    columns = max(len(part) for part in pictures)
    figure = Figure(figsize=(0.95 * columns + 1.1, 1.35 * len(rows) + 0.4), layout="constrained")
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
    return figure


def draw_image(axis: Axes, image: NDArray[Any]) -> None:
    """Draw an image (height, width) or (channels, height, width) with numbers from 0 to 1."""
    pixels = image if image.ndim == 2 else np.moveaxis(image, 0, -1).squeeze()
    options: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 1} if pixels.ndim == 2 else {}
    axis.imshow(np.clip(pixels, 0, 1), **options)
    axis.axis("off")


def mislabel_figure(found: Mapping[str, MislabelCurve], fixed: Mapping[str, FixCurve]) -> Figure:
    """Draw, for several orders by name, flipped labels found and test accuracy against labels checked.

    A panel without curves is left out.
    """
    panels: list[tuple[Mapping[str, Any], str, str]] = [
        (found, "share of labels checked", "share of wrong labels found"),
        (fixed, "share of labels checked and set right", "test accuracy after training again"),
    ]
    drawn = [panel for panel in panels if panel[0]] or panels
    figure = Figure(figsize=(4.2 * len(drawn), 3.4), layout="constrained")
    axes = figure.subplots(1, len(drawn), squeeze=False)[0]
    for axis, (curves, across, up) in zip(axes, drawn, strict=True):
        tell_lines_apart(axis)
        for name, curve in curves.items():
            _draw_curve(axis, name, curve)
        axis.set(xlabel=across, ylabel=up)
        axis.legend(fontsize=8)
    return figure


def _draw_curve(axis: Axes, name: str, curve: Any) -> None:
    if isinstance(curve, FixCurve):
        axis.plot(curve.checked, curve.accuracy, markersize=4, label=name)
        return
    axis.plot(
        curve.checked, curve.found, markersize=4, markevery=0.1, label=f"{name} (area {curve.area:.3f})"
    )
    axis.set_ylim(0, 1.02)
