"""Classifiers of images that the commands are given in files."""

from __future__ import annotations

from math import isqrt
from pathlib import Path

from torch import nn

from divulge.cli.models import Reshaped


def read_classifier(
    path: Path, shape: tuple[int, ...] | None = None
) -> tuple[nn.Module, tuple[int, int, int]]:
    """Return the module of an ONNX, .pt2 or .pth file, and the shape of its images.

    Args:
        path: the file; a .pth file holds the weights of a published classifier.
        shape: (channels, height, width) where it is known; else a model of d inputs takes square grey images.

    Raises:
        ValueError: the file cannot be used, or tells no shape of an image.
        OSError: there is no such file.
    """
    if path.suffix.lower() == ".pth":
        from divulge.victims.published import read_published

        module = read_published(path)
        return module, module.input_shape
    from divulge.victims import Victim

    victim = Victim.from_file(path)
    given = victim.input_shape
    if len(given) == 3:
        return Reshaped(victim.module, given), given
    side = isqrt(victim.input_size)
    image = shape or (1, side, side)
    if len(image) != 3 or image[0] * image[1] * image[2] != victim.input_size:
        raise ValueError(f"expected a model of images, {path.name} takes inputs of shape {given}")
    return Reshaped(victim.module, given), image
