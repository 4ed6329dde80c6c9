"""Steps from the first two moments of a gradient."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-12


class Moments:
    """Running first and second moments of gradients, corrected for their start at zero (Kingma, Ba 2015).

    Args:
        like: a tensor of the gradients' shape.
        first: beta_1, the share of the first moment that is kept.
        second: beta_2.
    """

    def __init__(self, like: Tensor, first: float = 0.9, second: float = 0.999) -> None:
        self.betas = first, second
        self.first = torch.zeros_like(like)
        self.second = torch.zeros_like(like)
        self.steps = 0

    def direction(self, gradient: Tensor, square: Tensor | None = None) -> Tensor:
        """Take in a gradient, and its square or the mean of squares; return v^ / (sqrt(w^) + tiny).

        v <- beta_1 v + (1 - beta_1) g and w <- beta_2 w + (1 - beta_2) g^2; v^ = v / (1 - beta_1^k) after k
        gradients, w^ likewise.
        """
        self.steps += 1
        first, second = self.betas
        self.first.lerp_(gradient, 1 - first)
        self.second.lerp_(gradient**2 if square is None else square, 1 - second)
        mean = self.first / (1 - first**self.steps)
        return mean / ((self.second / (1 - second**self.steps)).sqrt() + _TINY)
