"""The small classifiers that the experiments train: dense and convolutional."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import prod, sqrt

import torch
from torch import nn


def mlp(
    input_shape: Sequence[int],
    hidden: Sequence[int],
    classes: int,
    *,
    seed: int | torch.Generator = 0,
    dtype: torch.dtype = torch.float32,
) -> nn.Sequential:
    """Flatten, then Linear and ReLU by turns, ending with a Linear, with torch's usual initial weights.

    Args:
        input_shape: the shape of one input.
        hidden: units of each hidden layer; none makes the model linear.
        classes: outputs.
        seed: of the initial weights; torch's random state is not touched.
        dtype: precision of the parameters.

    Raises:
        ValueError: a layer without units.
    """
    if min([classes, *hidden]) < 1:
        raise ValueError(f"expected at least one unit in each layer, got {[*hidden, classes]}")
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise([prod(input_shape), *hidden, classes]):
        layers += [nn.utils.skip_init(nn.Linear, fan_in, fan_out, dtype=dtype), nn.ReLU()]  # type: ignore[no-untyped-call]
    return _initialised(nn.Sequential(*layers[:-1]), seed)


def cnn(
    input_shape: Sequence[int],
    classes: int,
    *,
    seed: int | torch.Generator = 0,
    channels: Sequence[int] = (16, 32),
    hidden: int = 64,
    dtype: torch.dtype = torch.float32,
) -> nn.Sequential:
    """3x3 convolution, ReLU and 2x2 maximum for each entry of channels, then Linear, ReLU, Linear.

    Args:
        input_shape: (channels, height, width) of one image.
        classes: outputs.
        seed: of the initial weights (torch's usual ones); torch's random state is not touched.
        channels: of each convolution.
        hidden: units of the dense layer.
        dtype: precision of the parameters.

    Raises:
        ValueError: images of another number of axes, or too small for so many maxima.
    """
    convolution = partial(nn.Conv2d, kernel_size=3, padding=1)
    return _convolutional(input_shape, classes, seed, convolution, True, channels, hidden, dtype)


def strided_cnn(
    input_shape: Sequence[int],
    classes: int,
    *,
    seed: int | torch.Generator = 0,
    channels: Sequence[int] = (16, 32),
    hidden: int = 64,
    dtype: torch.dtype = torch.float32,
) -> nn.Sequential:
    """4x4 convolution in steps of 2 and ReLU for each entry of channels, then Linear, ReLU, Linear.

    The small network of Wong & Kolter 2018 by default: without maxima a step costs less, and it learns to be
    robust more easily.

    Args:
        input_shape: (channels, height, width) of one image.
        classes: outputs.
        seed: of the initial weights (torch's usual ones); torch's random state is not touched.
        channels: of each convolution.
        hidden: units of the dense layer.
        dtype: precision of the parameters.

    Raises:
        ValueError: images of another number of axes, or too small for so many convolutions.
    """
    convolution = partial(nn.Conv2d, kernel_size=4, stride=2, padding=1)
    return _convolutional(input_shape, classes, seed, convolution, False, channels, hidden, dtype)


def patch_cnn(
    input_shape: Sequence[int],
    classes: int,
    *,
    seed: int | torch.Generator = 0,
    patch: int = 7,
    channels: tuple[int, int] = (16, 256),
    dtype: torch.dtype = torch.float32,
) -> nn.Sequential:
    """4x4 convolution in steps of 2, ReLU, one over patches of its output that do not overlap, ReLU, Linear.

    Args:
        input_shape: (channels, height, width) of one image.
        classes: outputs.
        seed: of the initial weights (torch's usual ones); torch's random state is not touched.
        patch: side of a patch, which covers 2 patch + 2 pixels of the image.
        channels: of both convolutions.
        dtype: precision of the parameters.

    Raises:
        ValueError: images of another number of axes, or smaller than a patch.
    """
    depth, height, width = _image(input_shape, 2 * patch)
    features = channels[1] * (height // 2 // patch) * (width // 2 // patch)
    with torch.random.fork_rng(devices=[]):  # the layers are drawn anew below
        layers: list[nn.Module] = [
            nn.Conv2d(depth, channels[0], 4, 2, 1, dtype=dtype),
            nn.ReLU(),
            nn.Conv2d(*channels, patch, patch, dtype=dtype),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(features, classes, dtype=dtype),
        ]
    return _initialised(nn.Sequential(*layers), seed)


def _convolutional(
    input_shape: Sequence[int],
    classes: int,
    seed: int | torch.Generator,
    convolution: Callable[..., nn.Conv2d],
    maxima: bool,
    channels: Sequence[int],
    hidden: int,
    dtype: torch.dtype,
) -> nn.Sequential:
    """Convolution, ReLU and perhaps maxima, which together halve an image, by turns; then dense layers."""
    depth, features = _features(input_shape, channels)
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):  # the layers are drawn anew below
        for fan_in, fan_out in pairwise([depth, *channels]):
            layers += [
                convolution(fan_in, fan_out, dtype=dtype),
                nn.ReLU(),
                *([nn.MaxPool2d(2)] if maxima else []),
            ]
    return _initialised(nn.Sequential(*layers, nn.Flatten(), *_dense(features, hidden, classes, dtype)), seed)


def _features(input_shape: Sequence[int], channels: Sequence[int]) -> tuple[int, int]:
    """Return an image's channels, and the numbers left after its sides were halved once for each entry."""
    shrink = 2 ** len(channels)
    depth, height, width = _image(input_shape, shrink)
    return depth, [depth, *channels][-1] * (height // shrink) * (width // shrink)


def _image(input_shape: Sequence[int], least: int) -> tuple[int, int, int]:
    """Return (channels, height, width) of an image whose sides are long enough."""
    if len(input_shape) != 3:
        raise ValueError(f"expected images of shape (channels, height, width), got {tuple(input_shape)}")
    depth, height, width = input_shape
    if min(height, width) < least:
        raise ValueError(f"expected images of at least {least}x{least} pixels, got {height}x{width}")
    return depth, height, width


def _dense(features: int, hidden: int, classes: int, dtype: torch.dtype) -> list[nn.Module]:
    """Linear, ReLU, Linear."""
    first, last = (
        nn.utils.skip_init(nn.Linear, fan_in, fan_out, dtype=dtype)  # type: ignore[no-untyped-call]
        for fan_in, fan_out in ((features, hidden), (hidden, classes))
    )
    return [first, nn.ReLU(), last]


def _initialised(module: nn.Sequential, seed: int | torch.Generator) -> nn.Sequential:
    """Draw every parameter uniformly from +-1 / sqrt(inputs of a unit), layer by layer."""
    generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
    for layer in module:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            bound = 1 / sqrt(layer.weight[0].numel())
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return module
