"""What a classifier returns, brought to one form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Classifier", "class_scores", "precision"]


def class_scores(outputs: Tensor) -> Tensor:
    """Return class scores (n, K), K at least 2.

    One output z, of shape (n,) or (n, 1), is taken for the log-odds of class 1 against class 0, and becomes
    (-z / 2, z / 2), which has the same probabilities.

    Raises:
        ValueError: outputs of another shape.
    """
    if outputs.ndim == 1:
        outputs = outputs[:, None]
    if outputs.ndim != 2 or outputs.shape[1] < 1:
        raise ValueError(f"expected class scores of shape (n, K) or (n,), got {tuple(outputs.shape)}")
    return torch.cat([-outputs, outputs], dim=1) / 2 if outputs.shape[1] == 1 else outputs


class Classifier(nn.Module):
    """A module with its outputs brought to class scores (n, K)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor) -> Tensor:
        """Return class scores, see `class_scores`."""
        return class_scores(self.module(inputs))


def precision(module: nn.Module, inputs: Tensor) -> torch.dtype:
    """The precision that a module is fed in: of its first parameter, else of the inputs."""
    parameter = next(module.parameters(), None)
    return inputs.dtype if parameter is None else parameter.dtype
