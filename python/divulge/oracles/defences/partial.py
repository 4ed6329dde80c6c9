"""Defences that tell a part of an explanation; values and labels stay as they are."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from divulge.arrays import Array
from divulge.oracles.base import Oracle
from divulge.oracles.defences.base import Defence
from divulge.oracles.explained import Answers
from divulge.oracles.ledger import whole

if TYPE_CHECKING:
    from torch import Tensor


class PartialDefence(Defence):
    """Changes explanations so that they are no gradients any more.

    Args:
        oracle: what is defended.
    """

    def __init__(self, oracle: Oracle) -> None:
        super().__init__(oracle, gradients=False)

    def damaged(self, answers: Answers) -> Answers:
        """Return answers with the explanations changed."""
        if answers.explanations is None:
            return answers
        changed = self.part(answers.explanations)
        return replace(answers, explanations=changed, imitations=(*answers.imitations, self.imitate))

    @abstractmethod
    def part(self, explanations: Array) -> Array:
        """Return what is told of explanations, shape (n, d)."""

    @abstractmethod
    def imitate(self, mine: Tensor, told: Tensor) -> Tensor:
        """Return what would be told of a surrogate's explanations (n, d), differentiable."""


class TopK(PartialDefence):
    """Tells the k largest numbers of an explanation, by absolute value, and 0 for the others.

    Args:
        oracle: what is defended.
        k: how many.
        numbers: False tells which they are alone: 1 for each of them that is not 0.

    Raises:
        ValueError: k is not between 1 and d.
    """

    def __init__(self, oracle: Oracle, k: int, *, numbers: bool = True) -> None:
        super().__init__(oracle)
        self.numbers = bool(numbers)
        if not 1 <= whole("k", k) <= self.input_size:
            raise ValueError(f"expected k between 1 and {self.input_size}, got {k}")
        self.k = k

    def part(self, explanations: Array) -> Array:
        """Return the largest numbers."""
        order = np.argsort(-np.abs(explanations), axis=1, kind="stable")[:, : self.k]
        kept = np.zeros_like(explanations)
        np.put_along_axis(kept, order, np.take_along_axis(explanations, order, axis=1), axis=1)
        return kept if self.numbers else (kept != 0).astype(float)

    def imitate(self, mine: Tensor, told: Tensor) -> Tensor:
        """Return the numbers that are told; those left out say nothing.

        Of names alone: how large a number is beside the k-th largest, half for that one, at most 1.
        """
        if self.numbers:
            return mine * (told != 0)
        squares = mine.square()
        limit = squares.detach().topk(self.k, dim=1).values[:, -1:].clamp_min(1e-30)
        return squares / (squares + limit)


class Clipped(PartialDefence):
    """Tells every number of an explanation up to a limit.

    Args:
        oracle: what is defended.
        limit: the largest absolute value told.

    Raises:
        ValueError: the limit is not positive and finite.
    """

    def __init__(self, oracle: Oracle, limit: float) -> None:
        super().__init__(oracle)
        if not 0 < limit < np.inf:
            raise ValueError(f"expected a positive, finite limit, got {limit}")
        self.limit = float(limit)

    def part(self, explanations: Array) -> Array:
        """Return the numbers, clipped."""
        return np.clip(explanations, -self.limit, self.limit)

    def imitate(self, mine: Tensor, told: Tensor) -> Tensor:
        """Return the numbers clipped, but where one is on the wrong side of what was told."""
        at_limit = told.abs() >= self.limit
        return mine.where(~at_limit | (mine * told.sign() < self.limit), told)


class SignOnly(PartialDefence):
    """Tells the signs of an explanation: -1, 0 or 1."""

    def part(self, explanations: Array) -> Array:
        """Return the signs."""
        return np.sign(explanations)

    def imitate(self, mine: Tensor, told: Tensor) -> Tensor:
        """Return tanh of the numbers relative to their mean size: nearly a sign, with a slope."""
        return (mine / mine.detach().abs().mean(dim=1, keepdim=True).clamp_min(1e-30)).tanh()


class Normalized(PartialDefence):
    """Tells an explanation's direction: its numbers divided by its Euclidean length."""

    def part(self, explanations: Array) -> Array:
        """Return the directions; 0 stays 0."""
        length = np.linalg.norm(explanations, axis=1, keepdims=True)
        return np.asarray(explanations / np.where(length > 0, length, 1.0))

    def imitate(self, mine: Tensor, told: Tensor) -> Tensor:
        """Return the directions."""
        import torch

        return torch.nn.functional.normalize(mine, dim=1)
