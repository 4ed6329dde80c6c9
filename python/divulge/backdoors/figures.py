"""Triggers for looking at."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from divulge.backdoors.result import BackdoorScan
from divulge.influence.figures import plot_images

_COLUMNS = 10


def plot_triggers(scan: BackdoorScan, title: str = "") -> NDArray[Any]:
    """Draw each class's mask with its size, and below it mask times pattern with the anomaly index.

    Returns:
        The array of Axes, ten classes in two rows.
    """
    masks = torch.stack([trigger.mask for trigger in scan.triggers])
    patterns = torch.stack([trigger.mask * trigger.pattern for trigger in scan.triggers])
    flags = ["flagged" if k in scan.flagged else f"{k}" for k in range(scan.classes)]
    sizes = [f"{flag}\n{size:.1f} px" for flag, size in zip(flags, scan.sizes, strict=True)]
    indices = [f"index {index:.1f}" for index in scan.anomaly_index]
    rows: list[Any] = []
    for i in range(0, scan.classes, _COLUMNS):
        part = slice(i, i + _COLUMNS)
        rows += [("mask", masks[part], sizes[part]), ("trigger", patterns[part], indices[part])]
    return plot_images(rows, title)
