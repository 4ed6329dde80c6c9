"""Keeping the coordinates of each input that an attribution ranks highest, or lowest."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor

from divulge import _core

__all__ = ["CHANNELS", "KEEP", "count_of", "fill_image", "unmask"]

KEEP = ("top", "bottom")
CHANNELS = ("grouped", "separate")


def unmask(
    inputs: Tensor,
    attribution: Tensor,
    k: int | float,
    *,
    keep: str = "top",
    fill: str | float | Tensor = "zero",
    channels: str = "grouped",
    seed: int = 0,
) -> Tensor:
    """Return inputs of which exactly k coordinates each are left, the others filled.

    Coordinates are ranked by the absolute value of their attribution; the "bottom" k are the last k of the
    same order. Of equal values the order is drawn by the seed, so a constant attribution ranks at random.

    Args:
        inputs: shape (n, ...), float32 or float64; images (n, channels, height, width).
        attribution: of the same shape, finite.
        k: how many coordinates, from 1 to all of them; a float from 0 to 1 is a share of them, rounded.
        keep: "top" or "bottom".
        fill: "zero"; "mean", the mean of each channel over all inputs (of each coordinate where inputs have
            no channels); a number; or a tensor of the shape of one input, or of shape (channels,).
        channels: of images: "grouped", a pixel is one coordinate, ranked by the sum of its channels' absolute
            attributions, and kept or filled whole; "separate", each number is a coordinate.
        seed: of the order of equal values.

    Returns:
        A tensor of the inputs' shape, precision and device. Its memory, up to 256 MiB, serves the next call
        once nothing refers to it.

    Raises:
        ValueError: one of these cannot be.
    """
    if attribution.shape != inputs.shape:
        raise ValueError(
            f"expected an attribution of shape {tuple(inputs.shape)}, got {tuple(attribution.shape)}"
        )
    for name, tensor in (("inputs", inputs), ("an attribution", attribution)):
        if tensor.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"expected {name} in float32 or float64, got {tensor.dtype}")
    if keep not in KEEP:
        raise ValueError(f"expected keep to be 'top' or 'bottom', got {keep!r}")
    shape = tuple(inputs.shape[1:])
    count = count_of(k, shape, channels)
    size, groups = prod(shape), prod(shape) // coordinates(shape, channels) if prod(shape) else 1
    out = _core.unmask(
        _rows(inputs, size),
        _rows(attribution, size),
        _rows(fill_image(fill, inputs)[None], size)[0],
        count,
        keep == "top",
        groups,
        seed,
    )
    return torch.from_numpy(out).reshape(inputs.shape).to(inputs.device)


def coordinates(shape: tuple[int, ...], channels: str = "grouped") -> int:
    """Return how many coordinates an input of such a shape has.

    Raises:
        ValueError: channels neither "grouped" nor "separate".
    """
    if channels not in CHANNELS:
        raise ValueError(f"expected channels 'grouped' or 'separate', got {channels!r}")
    return prod(shape[1:] if channels == "grouped" and len(shape) == 3 else shape)


def count_of(k: int | float, shape: tuple[int, ...], channels: str = "grouped") -> int:
    """Return how many coordinates of an input of such a shape k stands for.

    Raises:
        ValueError: k outside its range.
    """
    all_of_them = coordinates(shape, channels)
    if isinstance(k, float):
        if not 0 < k <= 1:
            raise ValueError(f"expected a share above 0 and at most 1, or a whole number, got {k}")
        return max(1, round(k * all_of_them))
    if isinstance(k, bool) or not 1 <= k <= all_of_them:
        raise ValueError(f"expected from 1 to {all_of_them} coordinates, got {k}")
    return int(k)


def fill_image(fill: str | float | Tensor, inputs: Tensor) -> Tensor:
    """Return what the coordinates that go are filled with, of the shape of one input; see `unmask`.

    Raises:
        ValueError: a name that is not known, or a tensor of another shape.
    """
    shape = inputs.shape[1:]
    if isinstance(fill, Tensor):
        if fill.shape not in (shape, shape[:1], torch.Size()):
            raise ValueError(
                f"expected a fill of shape {tuple(shape)} or {tuple(shape[:1])}, got {tuple(fill.shape)}"
            )
        if fill.shape == shape[:1]:
            fill = fill.reshape(-1, *[1] * (len(shape) - 1))
        return fill.to(inputs).expand(shape)
    if isinstance(fill, str):
        if fill not in ("zero", "mean"):
            raise ValueError(f"expected a fill 'zero', 'mean', a number or a tensor, got {fill!r}")
        if fill == "mean" and len(inputs):
            axes = (0, *range(2, inputs.ndim))
            return inputs.double().mean(dim=axes, keepdim=True)[0].to(inputs).expand(shape)
        fill = 0.0
    return inputs.new_full(tuple(shape), float(fill))


def _rows(tensor: Tensor, size: int) -> Any:
    """Return a NumPy array (n, size) that shares the tensor's memory where it can."""
    return tensor.detach().cpu().contiguous().reshape(len(tensor), size).numpy()
