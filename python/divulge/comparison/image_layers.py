"""Layers of an image's network as they are compared: batch norm folded, averages before a dense layer too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from divulge.arrays import Array
from divulge.comparison.image_steps import Maps, Padded, Plain, Scaled, Step, UnknownStep, Weighted
from divulge.comparison.recorded import recorded
from divulge.comparison.recorded_maps import around_words


@dataclass(frozen=True)
class ImageLayer:
    """A convolution or a dense layer, and what comes behind it.

    Attributes:
        weighted: its filters and offsets; batch norm is folded in.
        behind: the activation, then poolings.
    """

    weighted: Weighted
    behind: tuple[Plain, ...] = ()

    @property
    def dense(self) -> bool:
        """Whether every unit sees all that the layer is given."""
        return self.weighted.filters.shape[1:] == self.weighted.inputs and not any(self.weighted.padding)

    @property
    def maps(self) -> Maps:
        """(c, H, W) of what is handed on."""
        return self.behind[-1].maps if self.behind else self.weighted.maps

    @property
    def active(self) -> bool:
        """Whether an activation comes behind it."""
        return not all(part.pools for part in self.behind)

    @property
    def units(self) -> int:
        """How many units it has: one for each channel and place."""
        return int(np.prod(self.weighted.maps))

    @property
    def form(self) -> str:
        """The layer without its channels, in words."""
        if self.dense:
            return "dense"
        rows, columns = self.weighted.filters.shape[2:]
        words = f"convolution of {rows}x{columns}"
        if self.weighted.stride != (1, 1):
            words += f" in steps of {self.weighted.stride[0]}x{self.weighted.stride[1]}"
        return words + around_words(self.weighted.padding)

    @property
    def words(self) -> str:
        """The layer and what comes behind it."""
        return ", ".join([self.form, *(told(part) for part in self.behind)])


@dataclass(frozen=True)
class ImageNetwork:
    """Layers in a row, the last of which makes the outputs where `ended` is empty.

    Attributes:
        layers: as far as they are a row of known ones.
        ended: what is behind them, in words.
    """

    layers: list[ImageLayer]
    ended: str

    @property
    def hidden(self) -> list[ImageLayer]:
        """The layers whose results an activation takes up, until one without."""
        layers = self.layers if self.ended else self.layers[:-1]
        return list(takewhile(lambda layer: layer.active, layers))

    @property
    def convolutional(self) -> bool:
        """Whether there is a convolution."""
        return any(not layer.dense for layer in self.layers)

    @property
    def sizes(self) -> tuple[int, ...] | None:
        """Units of every hidden layer; None where not all layers are known."""
        return None if self.ended else tuple(layer.units for layer in self.hidden)


def image_network(module: nn.Module, input_shape: Sequence[int]) -> ImageNetwork:
    """Read a module that is convolutions and dense layers in a row, as far as it is."""
    recording = recorded(module, input_shape)
    found = _Folding()
    try:
        for step in recording.steps:
            found.take(step)
    except UnknownStep as error:
        return ImageNetwork(found.layers, str(error))
    last = found.layers[-1] if found.layers else None
    open_end = (
        "" if last and not last.behind and not found.before else "the outputs are no layer's of weights"
    )
    ended = recording.ended or open_end
    if not ended and not all(layer.active for layer in found.layers[:-1]):
        ended = "no activation comes behind one of the layers"
    return ImageNetwork(found.layers, ended)


def told(part: Plain) -> str:
    """An activation or a pooling in words."""
    return part.name + (f"({', '.join(f'{x:.4g}' for x in part.numbers)})" if part.numbers else "")


class _Folding:
    """Puts steps together to layers."""

    def __init__(self) -> None:
        self.layers: list[ImageLayer] = []
        self.before: list[Scaled | Padded] = []

    def take(self, step: Step) -> None:
        """Take up the next step.

        Raises:
            UnknownStep: it cannot be folded into a layer.
        """
        if isinstance(step, Weighted):
            self._weighted(step)
        elif isinstance(step, Scaled):
            self._scaled(step)
        elif isinstance(step, Padded):
            self.before.append(step)
        else:
            self._plain(step)

    def _weighted(self, step: Weighted) -> None:
        for part in reversed(self.before):
            step = _unscaled(step, part) if isinstance(part, Scaled) else _unpadded(step, part)
        self.before = []
        covers = step.filters.shape[1:] == step.inputs and not any(step.padding)
        while covers and self.layers and self.layers[-1].behind and self.layers[-1].behind[-1].average:
            step = self._before_average(step)
        if covers and not self.layers:
            d = int(np.prod(step.inputs))
            step = replace(step, filters=step.filters.reshape(-1, d, 1, 1), inputs=(d, 1, 1))
        last = self.layers[-1] if self.layers else None
        if covers and last is not None and last.dense and not last.behind:
            step = _product(step, self.layers.pop().weighted)
        self.layers.append(ImageLayer(step))

    def _before_average(self, step: Weighted) -> Weighted:
        """Multiply a dense layer with the average in front of it."""
        layer = self.layers.pop()
        *behind, pooling = layer.behind
        self.layers.append(replace(layer, behind=tuple(behind)))
        assert pooling.average is not None
        maps = self.layers[-1].maps
        return replace(step, filters=_spread(step.filters, *pooling.average, maps), inputs=maps)

    def _scaled(self, step: Scaled) -> None:
        last = self.layers[-1] if self.layers else None
        if last is None or last.behind or self.before:
            self.before.append(step)
            return
        weighted = last.weighted
        filters = weighted.filters * step.factor[:, None, None, None]
        offsets = weighted.offsets * step.factor + step.shift
        self.layers[-1] = ImageLayer(replace(weighted, filters=filters, offsets=offsets))

    def _plain(self, step: Plain) -> None:
        if self.before:
            part = self.before.pop()
            fill = -np.inf if step.name.startswith("max") else 0.0
            if not isinstance(part, Padded) or self.before or not step.pools or part.value != fill:
                raise UnknownStep("maps are scaled or padded in front of an activation or a pooling")
            step = replace(step, name=step.name + around_words(part.around), average=None)
        if not self.layers:
            raise UnknownStep("inputs are pooled, or go through an activation, in front of the first layer")
        last = self.layers[-1]
        if step.name.startswith("max of 1x1") or (step.average == ((1, 1), (1, 1))):
            return
        if step.name == "ReLU" and last.behind and last.behind[0].name == "ReLU":
            return
        self.layers[-1] = replace(last, behind=_ordered(last, step))


def _ordered(layer: ImageLayer, step: Plain) -> tuple[Plain, ...]:
    """What comes behind a layer and one step more; rising activations before the maxima: they commute."""
    behind = list(layer.behind)
    place = len(behind)
    rises = not step.pools and not (step.name == "LeakyReLU" and step.numbers[0] < 0)
    while rises and place and behind[place - 1].name.startswith("max"):
        place -= 1
    if place < len(behind):
        step = replace(step, maps=behind[place - 1].maps if place else layer.weighted.maps)
    return (*behind[:place], step, *behind[place:])


def _unscaled(step: Weighted, part: Scaled) -> Weighted:
    """Take a factor and a shift of what a layer is given into its weights."""
    if any(step.padding) and part.shift.any():
        raise UnknownStep("maps are shifted in front of a padded convolution")
    if len(part.factor) != step.inputs[0]:
        raise UnknownStep("inputs are scaled in another layout than they are convolved in")
    offsets = step.offsets + (step.filters * part.shift[:, None, None]).sum(axis=(1, 2, 3))
    return replace(step, filters=step.filters * part.factor[:, None, None], offsets=offsets)


def _unpadded(step: Weighted, part: Padded) -> Weighted:
    """Take a padding with zeros into a convolution."""
    if part.value:
        raise UnknownStep(f"maps are padded with {part.value:g}")
    channels, height, width = step.inputs
    top, bottom, left, right = part.around
    before = step.padding
    around = top + before[0], bottom + before[1], left + before[2], right + before[3]
    inputs = channels, height - top - bottom, width - left - right
    return replace(step, padding=around, inputs=inputs)


def _product(behind: Weighted, before: Weighted) -> Weighted:
    """Two dense layers without an activation between them as one."""
    rows = behind.filters.reshape(len(behind.filters), -1)
    filters = (rows @ before.filters.reshape(len(before.filters), -1)).reshape(-1, *before.filters.shape[1:])
    return replace(before, filters=filters, offsets=behind.offsets + rows @ before.offsets, maps=behind.maps)


def _spread(filters: Array, kernel: tuple[int, int], stride: tuple[int, int], maps: Maps) -> Array:
    """Filters (u, C, h, w) over averages as filters (u, C, H, W) over maps."""
    flat = torch.from_numpy(np.ascontiguousarray(filters)).flatten(0, 1)[:, None]
    window = torch.full((1, 1, *kernel), 1 / (kernel[0] * kernel[1]), dtype=flat.dtype)
    spread = F.conv_transpose2d(flat, window, stride=stride)
    missing = (0, maps[2] - spread.shape[3], 0, maps[1] - spread.shape[2])
    full: Array = F.pad(spread, missing).numpy()
    return full.reshape(*filters.shape[:2], *maps[1:])
