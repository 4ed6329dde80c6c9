"""What the functions on classifiers of images accept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from divulge.victims import Victim

# Numbers in the images of one forward pass: as many targets as fit share it.
_NUMBERS = 2**24

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Classifier:
    """A module that was found to map images to scores.

    Attributes:
        module: maps (n, channels, height, width) to (n, outputs).
        shape: (channels, height, width) of one image.
        outputs: K.
        dtype: precision of its parameters.
        device: on which they are.
    """

    module: nn.Module
    shape: tuple[int, int, int]
    outputs: int
    dtype: torch.dtype
    device: torch.device

    def groups(self, targets: int, samples: int, images: int | None = None) -> list[slice]:
        """Split targets, each with so many samples, into parts that fit one forward pass.

        Args:
            targets: how many.
            samples: of each.
            images: the most of a pass, where it is known what is fastest.
        """
        channels, height, width = self.shape
        most = _NUMBERS // (channels * height * width)
        size = max(1, (most if images is None else min(most, images)) // samples)
        return [slice(i, min(i + size, targets)) for i in range(0, targets, size)]

    def tensor(self, values: Tensor) -> Tensor:
        """Return values in the module's precision, on its device."""
        return values.to(self.device, self.dtype)


def classifier(module: nn.Module, shape: Sequence[int]) -> Classifier:
    """Return a module with what is known of it.

    Raises:
        TypeError: it is no torch module.
        ValueError: it is in training mode, does not map images of this shape to scores, or tells one
            probability.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"expected a torch.nn.Module, got {type(module).__name__}")
    if getattr(module, "training", False):  # a frozen script has no mode
        raise ValueError("the module is in training mode; call its eval() first")
    if len(shape) != 3:
        raise ValueError(f"expected a shape (channels, height, width), got {tuple(shape)}")
    channels, height, width = (int(s) for s in shape)
    victim = Victim(module, (channels, height, width), lower=False)
    if victim.threshold:
        raise ValueError("expected a logit, the module's one output is a probability; leave its sigmoid out")
    tensors = (*module.parameters(), *module.buffers())
    device = next((t.device for t in tensors if t.is_floating_point()), torch.device("cpu"))
    return Classifier(module, (channels, height, width), victim.output_size, victim.dtype, device)


def check_least(**numbers: tuple[float, float]) -> None:
    """Raise ValueError for a number below its least value."""
    for name, (value, least) in numbers.items():
        if not value >= least:
            raise ValueError(f"expected {name.replace('_', ' ')} of at least {least}, got {value}")


def check_bounds(bounds: Bounds) -> None:
    """Raise ValueError where these are no smallest and largest value."""
    if not bounds[0] < bounds[1]:
        raise ValueError(f"expected bounds (low, high) with low below high, got {bounds}")


def check_loss(losses: Tensor, targets: Sequence[object], step: int) -> None:
    """Raise ValueError where the loss of a target, shape (targets,), is NaN."""
    bad = torch.nonzero(torch.isnan(losses))
    if len(bad):
        raise ValueError(f"the loss of target {targets[int(bad[0])]} is NaN at step {step}")


def norms(x: Tensor) -> Tensor:
    """Return the Euclidean norm of each of (n, channels, height, width), shape (n, 1, 1, 1)."""
    sizes: Tensor = torch.linalg.vector_norm(x.flatten(1), dim=1)
    return sizes[:, None, None, None]


def split(x: Tensor, parts: int) -> Tensor:
    """Return (parts n, ...) as (parts, n, ...)."""
    return x.reshape(parts, -1, *x.shape[1:])
