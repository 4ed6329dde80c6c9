"""Neural Cleanse as published, to compare with (Wang et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from divulge.backdoors.triggers_found import SUCCESS, Deck, Triggers, overlaid, scaled
from divulge.saliency.arguments import Bounds, Classifier, check_loss
from divulge.saliency.concepts import log_scores

_BATCH, _RATE, _BETAS = 32, 0.1, (0.5, 0.9)
_COST, _UP, _DOWN, _PATIENCE = 1e-3, 2.0, 2.0**1.5, 5


class _Cost:
    """The weight of the mask's size: 0 until the trigger works, then doubled or divided by 2^1.5.

    It starts at .001 after 5 steps that work, is doubled after each 5 that work and lowered after each 5 that
    do not.
    """

    def __init__(self) -> None:
        self.value, self.worked, self.failed = 0.0, 0, 0
        self.was_raised = self.was_lowered = False

    def note(self, works: bool) -> None:
        """Take in one step."""
        self.worked = self.worked + 1 if works else 0
        self.failed = 0 if works else self.failed + 1
        if self.worked >= _PATIENCE:
            self.was_raised = self.value > 0
            self.value, self.worked = self.value * _UP if self.value else _COST, 0
        elif self.failed >= _PATIENCE and self.value:
            self.value, self.failed, self.was_lowered = self.value / _DOWN, 0, True


def neural_cleanse(
    model: Classifier,
    target: int,
    samples: Tensor,
    bounds: Bounds,
    *,
    steps: int = 1000,
    tolerance: float = 0.0,
    seed: int = 0,
) -> Triggers:
    """Return one class's trigger: m and p are (tanh + 1) / 2 of what Adam changes, at a rate of .1.

    Each step takes 32 samples; a trigger works where .99 of them reach the class. The search ends when the
    smallest one that works has not shrunk for 25 steps and the cost was raised and lowered.

    Args:
        model: the classifier.
        target: the class.
        samples: shape (n, channels, height, width).
        bounds: of the inputs.
        steps: at most.
        tolerance: shrinking by no more than this share does not count as such; 0 as published.
        seed: of the start and of the samples' order.

    Raises:
        ValueError: a loss that is NaN.
    """
    generator = torch.Generator().manual_seed(seed)
    channels, height, width = model.shape
    hidden = [
        model.tensor(torch.atanh((torch.rand(1, c, height, width, generator=generator) - 0.5) * 1.9999))
        for c in (1, channels)
    ]
    optimiser = torch.optim.Adam([part.requires_grad_() for part in hidden], lr=_RATE, betas=_BETAS)
    deck, cost, idle, last = Deck(samples, seed), _Cost(), 0, torch.inf
    masks, patterns = ((torch.tanh(part.detach()) + 1) / 2 for part in hidden)
    found = Triggers.none(masks, patterns)
    for step in range(steps):
        with torch.enable_grad():
            masks, patterns = ((torch.tanh(part) + 1) / 2 for part in hidden)
            scores = overlaid(model, deck.draw(_BATCH), masks, scaled(patterns, bounds))[0]
            loss = -log_scores(scores)[:, target].mean()
            check_loss(loss.detach()[None], [target], step)
            gradients = torch.autograd.grad(loss + cost.value * masks.sum(), hidden)
        for part, gradient in zip(hidden, gradients, strict=True):
            part.grad = gradient
        optimiser.step()
        works = bool((scores.argmax(1) == target).double().mean() >= SUCCESS)
        found.keep_smaller(masks.detach(), patterns.detach(), masks.new_tensor([works]).bool())
        smallest = float(found.sizes)
        idle = 0 if smallest < (1 - tolerance) * last or last == torch.inf else idle + 1
        last = smallest if idle == 0 else last
        if idle >= _PATIENCE * _PATIENCE and cost.was_raised and cost.was_lowered:
            break
        cost.note(works)
    found.patterns = scaled(found.patterns, bounds)
    return found
