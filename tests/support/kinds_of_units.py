"""Networks of units other than ReLUs, and of layers that hand on their input."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn


class Absolute(nn.Module):
    """|x|."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the absolute values."""
        return x.abs()


class Around(nn.Module):
    """A residual connection around a block."""

    def __init__(self, *block: nn.Module) -> None:
        super().__init__()
        self.block = nn.Sequential(*block)

    def forward(self, x: Tensor) -> Tensor:
        """Return block(x) + x."""
        return self.block(x) + x


class Beside(nn.Module):
    """A block whose output is laid before its input."""

    def __init__(self, *block: nn.Module) -> None:
        super().__init__()
        self.block = nn.Sequential(*block)

    def forward(self, x: Tensor) -> Tensor:
        """Return block(x) and x."""
        return torch.cat([self.block(x), x], dim=1)


class Maxout(nn.Module):
    """The larger of two linear functions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return max(first(x), second(x))."""
        return torch.maximum(self.first(x), self.second(x))


def prelu(units: int) -> nn.PReLU:
    """Slopes from -.5 to .7."""
    module = nn.PReLU(units)
    with torch.no_grad():
        module.weight.copy_(torch.linspace(-0.5, 0.7, units))
    return module


def chain(*sizes: int, unit: Callable[[int], nn.Module]) -> nn.Sequential:
    """Linear layers with units between them."""
    modules: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        modules += [nn.Linear(inputs, outputs), unit(outputs)]
    return nn.Sequential(*modules[:-1])


def started(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a network in float64 as PyTorch starts it."""
    torch.manual_seed(seed)
    module = build().double().eval()
    return module.requires_grad_(False)
