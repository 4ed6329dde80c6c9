"""What a search for triggers carries along, whichever way it takes its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from divulge.saliency.arguments import Bounds, Classifier

# The share of samples that a trigger must send to its class.
SUCCESS = 0.99


@dataclass
class Triggers:
    """Masks and patterns, one for each of T targets.

    Attributes:
        masks: numbers from 0 to 1, shape (T, 1, height, width).
        patterns: within the bounds of the inputs, shape (T, channels, height, width).
        sizes: the sum of each mask, infinite where none was found yet, shape (T,).
    """

    masks: Tensor
    patterns: Tensor
    sizes: Tensor

    @classmethod
    def none(cls, masks: Tensor, patterns: Tensor) -> Triggers:
        """Return a place for the smallest triggers, with none found yet."""
        return cls(masks.clone(), patterns.clone(), masks.new_full((len(masks),), torch.inf))

    def copy(self) -> Triggers:
        """Return triggers that do not change with these."""
        return Triggers(*(getattr(self, f.name).clone() for f in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Triggers]) -> Triggers:
        """Put triggers of several groups of targets together."""
        return cls(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def keep_smaller(self, masks: Tensor, patterns: Tensor, works: Tensor) -> None:
        """Take those that work, (T,), and are smaller than what is held."""
        sizes = masks.sum((1, 2, 3))
        better = works & (sizes < self.sizes)
        self.masks[better], self.patterns[better] = masks[better], patterns[better]
        self.sizes = torch.where(better, sizes, self.sizes)


class Deck:
    """Draws samples without replacement, shuffling anew when few are left.

    Args:
        samples: shape (n, channels, height, width).
        seed: of the order.
    """

    def __init__(self, samples: Tensor, seed: int) -> None:
        self.samples, self.generator = samples, torch.Generator().manual_seed(seed)
        self.order = torch.zeros(0, dtype=torch.long)

    def draw(self, n: int) -> Tensor:
        """Return n samples, or all where there are fewer."""
        n = min(n, len(self.samples))
        if len(self.order) < n:
            self.order = torch.randperm(len(self.samples), generator=self.generator)
        rows, self.order = self.order[:n], self.order[n:]
        return self.samples[rows.to(self.samples.device)]


def scaled(patterns: Tensor, bounds: Bounds) -> Tensor:
    """Return patterns of numbers from 0 to 1 in the units of the inputs."""
    return bounds[0] + (bounds[1] - bounds[0]) * patterns


def overlaid(model: Classifier, samples: Tensor, masks: Tensor, patterns: Tensor) -> Tensor:
    """Return scores (T, n, K) of samples (n, ...) under T triggers, in one forward pass."""
    images = (1 - masks)[:, None] * samples + (masks * patterns)[:, None]
    scores: Tensor = model.module(images.flatten(0, 1))
    return scores.reshape(len(masks), len(samples), -1)
