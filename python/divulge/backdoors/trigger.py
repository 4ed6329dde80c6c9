"""Triggers: a mask and a pattern that are laid over images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

_BATCH = 1024


@dataclass(frozen=True)
class Trigger:
    """What is laid over an image x: (1 - m) x + m p, pixel by pixel.

    Attributes:
        mask: m, numbers from 0 to 1, shape (height, width).
        pattern: p, in the units of the images, shape (channels, height, width).
    """

    mask: Tensor
    pattern: Tensor

    @property
    def size(self) -> float:
        """The sum of the mask, in pixels."""
        return float(self.mask.sum())

    @property
    def place(self) -> tuple[int, int, int, int]:
        """Rows and columns (top, bottom, left, right), the ends excluded, where the mask is above .1.

        All are zero where it is nowhere.
        """
        rows, columns = torch.nonzero(self.mask > 0.1, as_tuple=True)
        if not len(rows):
            return 0, 0, 0, 0
        return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return images (n, channels, height, width) with the trigger."""
        mask, pattern = (part.to(inputs) for part in (self.mask, self.pattern))
        return (1 - mask) * inputs + mask * pattern

    def success(
        self, module: nn.Module, inputs: Tensor, target: int, *, predicted: Tensor | None = None
    ) -> float:
        """Return the share of the images that the trigger moves to the target, of those not there yet.

        It is NaN where there is no such image.

        Args:
            module: maps images to class scores.
            inputs: the images, shape (n, channels, height, width).
            target: the class.
            predicted: the classes of the images without trigger, (n,), where they are known.
        """
        before = predictions(module, inputs) if predicted is None else predicted
        others = inputs[before != target]
        if not len(others):
            return float("nan")
        return float((predictions(module, self(others)) == target).double().mean())


def predictions(module: nn.Module, inputs: Tensor) -> Tensor:
    """Return the class that a module names for each image, shape (n,)."""
    with torch.no_grad():
        return torch.cat([module(part).argmax(1) for part in torch.split(inputs, _BATCH)])


def square(
    shape: tuple[int, int, int], size: int, top: int, left: int, *, value: float = 1.0, opacity: float = 1.0
) -> Trigger:
    """Return a trigger that is a square of one value.

    Args:
        shape: (channels, height, width) of the images.
        size: side of the square.
        top: its first row; from the bottom where it is below 0.
        left: its first column; from the right where it is below 0.
        value: of its pixels.
        opacity: of its mask, above 0, at most 1.

    Raises:
        ValueError: the square is not inside the image.
    """
    channels, height, width = shape
    top, left = top % height, left % width
    if size < 1 or top + size > height or left + size > width:
        raise ValueError(
            f"expected a square inside {height}x{width} pixels, got side {size} at row {top}, column {left}"
        )
    mask = torch.zeros(height, width)
    mask[top : top + size, left : left + size] = opacity
    return Trigger(mask, torch.full((channels, height, width), value))
