"""Extraction-aware training: units of a layer that are hard to tell apart (Kurian, Aysu 2025)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class AlikeUnits:
    """A penalty that draws the units of each hidden Linear layer together.

    strength * mean over hidden layers of the mean of |w_i - w_j|^2 over pairs of units i, j, w a unit's
    weights. As `fit_classifier(penalty=AlikeUnits(...))` it makes training aware of extraction: attacks that
    find units one by one by where they switch tell alike ones hardly apart. **It does not protect from
    attacks on gradients**: docs/surrogates.md has what it costs and what it does.

    Args:
        strength: times the penalty; 0 for none.

    Raises:
        ValueError: a negative strength, or one that is not finite.

    Source:
        A. Kurian, A. Aysu, "Train to Defend: First Defense Against Cryptanalytic Neural Network Parameter
        Extraction Attacks", 2025: distances of weights within a layer in the loss. That they are squared, and
        means over pairs and layers, is our own.
    """

    strength: float

    def __post_init__(self) -> None:
        if not 0 <= self.strength < float("inf"):
            raise ValueError(f"expected a strength of at least 0, got {self.strength}")

    def __call__(self, module: nn.Module) -> Tensor:
        """Return the penalty of a module, a number; 0 where no Linear layer has another behind it.

        Args:
            module: whose Linear layers are taken in their order; the last one tells outputs.
        """
        hidden = [layer.weight for layer in module.modules() if isinstance(layer, nn.Linear)][:-1]
        if not hidden:
            return torch.zeros(())
        spreads = [2 * (w - w.mean(dim=0)).square().sum(dim=1).mean() for w in hidden]  # of all pairs
        return self.strength * torch.stack(spreads).mean()
