"""What a classifier returns, brought to one form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ClassScores", "class_scores", "precision", "sided_scores"]


def class_scores(outputs: Tensor) -> Tensor:
    """Return class scores (n, K), K at least 2, whose softmax are the probabilities.

    One output z, of shape (n,) or (n, 1), is taken for the log-odds of class 1 against class 0, and becomes
    (-z / 2, z / 2).

    Raises:
        ValueError: outputs of another shape.
    """
    scores = sided_scores(outputs)
    return scores if outputs.ndim == 2 and outputs.shape[1] > 1 else scores / 2


def sided_scores(outputs: Tensor) -> Tensor:
    """Return what speaks for each class, (n, K): its score; of one output z, -z for class 0 and z for 1.

    Raises:
        ValueError: outputs of another shape than (n, K), (n, 1) or (n,).
    """
    if outputs.ndim == 1:
        outputs = outputs[:, None]
    if outputs.ndim != 2 or outputs.shape[1] < 1:
        raise ValueError(f"expected class scores of shape (n, K) or (n,), got {tuple(outputs.shape)}")
    return torch.cat([-outputs, outputs], dim=1) if outputs.shape[1] == 1 else outputs


class ClassScores(nn.Module):
    """A module with its outputs brought to class scores (n, K)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor) -> Tensor:
        """Return class scores, see `class_scores`."""
        return class_scores(self.module(inputs))


def precision(module: nn.Module, inputs: Tensor) -> torch.dtype:
    """The precision that a module is fed in: of its first parameter, else of the inputs, else float32."""
    parameter = next(module.parameters(), None)
    dtype = inputs.dtype if parameter is None else parameter.dtype
    return dtype if dtype.is_floating_point else torch.float32
