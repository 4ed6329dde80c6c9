"""What a coded network is trained for: to answer as the model does."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.training.class_scores import class_scores, precision
from divulge.training.modes import evaluating


class Imitation:
    """A model's answers on inputs, and how far others are from them.

    Args:
        module: maps inputs (n, ...) to class scores (n, K) or the log-odds of class 1, (n,) or (n, 1).
        inputs: shape (n, ...).

    Raises:
        ValueError: no inputs, outputs that are no class scores, or an answer with NaN.
    """

    def __init__(self, module: nn.Module, inputs: Tensor) -> None:
        if not len(inputs):
            raise ValueError("expected inputs to imitate the model on, got none")
        self.inputs = inputs.to(precision(module, inputs))
        with evaluating(module), torch.no_grad():
            scores = torch.cat([class_scores(module(part)) for part in self.inputs.split(1000)])
        broken = (~scores.isfinite().all(dim=1)).nonzero()
        if len(broken):
            raise ValueError(f"the model's answer on input {int(broken[0])} is no finite number")
        self.probabilities = scores.softmax(dim=1)
        self.classes = scores.argmax(dim=1)

    def loss(self, outputs: Tensor, batch: Tensor) -> Tensor:
        """Return the mean cross entropy from the model's probabilities, of outputs on a batch of inputs."""
        return F.cross_entropy(class_scores(outputs), self.probabilities[batch])

    def batches(self, size: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Return random batches of places among the inputs, without end."""
        while True:
            yield from torch.randperm(len(self.inputs), generator=generator).split(size)

    def agreement(self, outputs: Tensor) -> float:
        """Return the share of all inputs on which outputs name the model's class."""
        return float((class_scores(outputs).argmax(dim=1) == self.classes).double().mean())
