"""What is known of maps while operations are recorded: order, shape, constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from divulge.arrays import Array
from divulge.comparison.image_steps import Around, Maps, Traced, UnknownStep


def numbers(tensor: Any) -> Array:
    """Return a constant in float64."""
    return np.asarray(tensor.detach().cpu().double().numpy() if isinstance(tensor, Tensor) else tensor, float)


def in_order(traced: Traced, maps: Maps) -> None:
    """Raise UnknownStep unless a tensor is maps (n, C, H, W) as they were left."""
    places = traced.places[0]
    if tuple(places.shape) != maps or not torch.equal(places.flatten(), torch.arange(int(np.prod(maps)))):
        raise UnknownStep("maps are put in another order in front of a convolution or a pooling")


def three(out: Tensor) -> Maps:
    """(c, H, W) of a result."""
    if out.ndim == 4:
        return (out.shape[1], out.shape[2], out.shape[3])
    return (int(out[0].numel()), 1, 1)


def images(traced: Traced, maps: Maps) -> Maps:
    """(C, H, W) of what a convolution or a pooling is given; inputs may have come flattened."""
    shape = traced.places.shape
    if traced.step == 0 and len(shape) == 4:
        maps = (shape[1], shape[2], shape[3])
    in_order(traced, maps)
    return maps


def channels_of(traced: Traced, maps: Maps) -> Maps:
    """(C, H, W) of what is normed channel by channel, flattened or not, as the last step left it."""
    if traced.places.ndim == 4:
        return images(traced, maps)
    if not torch.equal(traced.places[0].flatten(), torch.arange(int(np.prod(maps)))):
        raise UnknownStep("maps are put in another order in front of a batch norm")
    return maps


def pair(size: Any) -> tuple[int, int]:
    """Return a size of rows and columns."""
    first, *rest = size if isinstance(size, (tuple, list)) else (size,)
    return int(first), int(rest[0] if rest else first)


def around_words(around: Around) -> str:
    """Say what is put around maps that are pooled."""
    sizes = around[:1] if len(set(around)) == 1 else around
    return f", padding {', '.join(map(str, sizes))}" if any(around) else ""
