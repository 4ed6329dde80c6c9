"""Small triggers of many classes at once, grown from their saliency maps."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

import torch
from torch import Tensor

from divulge.backdoors.trigger import predictions
from divulge.backdoors.triggers_found import SUCCESS, Deck, Triggers, overlaid, scaled
from divulge.conventions import OnProgress
from divulge.saliency.arguments import Bounds, Classifier, check_loss
from divulge.saliency.concepts import log_scores
from divulge.saliency.moments import Moments

# A processor's caches then hold what a small network remembers of a pass: of 240 images of 28x28 each took
# 254 us there and back, of 80 139.
_IMAGES = 80


@dataclass(frozen=True)
class Schedule:
    """How the search goes.

    Attributes:
        steps: of the search.
        batch: samples a step, the same for all classes.
        early: the share of them that is taken in the first half of the steps; below 1 nothing counts as found
            there.
        first: largest change of a mask or pattern number at the first step; it falls along a cosine.
        last: that at the last step.
        cost: of a pixel of the mask at first, in nats of cross-entropy.
        pace: the cost grows by exp(pace) at a step whose samples all reach the class, and falls by
            pace / (1 - success) times the share that does not, so that `success` of them do where it rests.
        fall: the most that its logarithm falls in a step.
        proof: a trigger counts as found when of so many samples, the latest ones, enough reached the class.
        success: the share that is enough.
        bend: the cost is concave in the mask, c bend log(1 + m / bend) a pixel, so that few are left.
    """

    steps: int = 50
    batch: int = 24
    early: float = 1.0
    first: float = 0.2
    last: float = 0.02
    cost: float = 0.005
    pace: float = 0.2
    fall: float = 0.7
    proof: int = 72
    success: float = SUCCESS
    bend: float = float("inf")


def started_from(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return masks (T, 1, height, width) and patterns in [0, 1] that maps (T, channels, ...) suggest.

    The mask is half the map's size, relative to its largest; the pattern lies on the side of the map's sign.
    """
    size = maps.abs().amax(1, keepdim=True)
    largest = size.amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
    return 0.5 * size / largest, 0.5 + 0.5 * maps / largest


def grow_triggers(
    model: Classifier,
    targets: list[int] | None,
    deck: Deck,
    masks: Tensor,
    patterns: Tensor,
    bounds: Bounds,
    schedule: Schedule,
    progress: OnProgress | None = None,
) -> Triggers:
    """Return the smallest triggers that send samples to their classes.

    Minimises CE(f((1 - m) x + m p), t) + c |m|_1, or a concave penalty, over masks m and patterns p in [0, 1]
    for all targets t at once, by projected steps of Adam's form; c is found for each target. Without targets
    samples are sent away from the classes that they are taken for, wherever they go: 1 - f in place of f.

    Args:
        model: the classifier.
        targets: T classes, or None.
        deck: the samples.
        masks: to start from, shape (T, 1, height, width).
        patterns: to start from, numbers from 0 to 1, shape (T, channels, height, width).
        bounds: of the inputs.
        schedule: of the search.
        progress: called with the steps done and the number of all.

    Raises:
        ValueError: a loss that is NaN.
    """
    masks, patterns = masks.clone(), patterns.clone()
    found = Triggers.none(masks, patterns)
    moments = Moments(masks, 0.5, 0.9), Moments(patterns, 0.5, 0.9)
    cost = masks.new_full((len(masks),), schedule.cost)
    begun = torch.zeros(len(masks), dtype=torch.bool, device=masks.device)
    recent: list[Tensor] = []
    proof = -(-schedule.proof // schedule.batch)
    for step in range(schedule.steps):
        batch = schedule.batch if 2 * step >= schedule.steps else round(schedule.early * schedule.batch)
        by_masks, by_patterns, right, losses = _differentiate(
            model, targets, deck.draw(batch), masks, patterns, bounds
        )
        check_loss(losses, targets or ["any other class"] * len(masks), step)
        begun |= right >= min(SUCCESS, schedule.success)
        recent = [*recent, right][-proof:] if batch == schedule.batch else []
        if len(recent) == proof:
            # One of 72 may miss.
            found.keep_smaller(masks, patterns, torch.stack(recent).mean(0) >= schedule.success - 0.006)
        size = schedule.last + (schedule.first - schedule.last) * (1 + cos(pi * step / schedule.steps)) / 2
        price = torch.where(begun, cost, 0)[:, None, None, None] / (1 + masks / schedule.bend)
        masks = (masks - size * moments[0].direction(by_masks + price)).clamp(0, 1)
        patterns = (patterns - size * moments[1].direction(by_patterns)).clamp(0, 1)
        change = schedule.pace * (1 - (1 - right) / (1 - schedule.success))
        cost = torch.where(begun, cost * change.clamp_min(-schedule.fall).exp(), cost)
        if progress is not None:
            progress(step + 1, schedule.steps)
    found.patterns = scaled(found.patterns, bounds)
    return found


def _differentiate(
    model: Classifier,
    targets: list[int] | None,
    samples: Tensor,
    masks: Tensor,
    patterns: Tensor,
    bounds: Bounds,
) -> list[Tensor]:
    """Return the loss's slopes by masks and patterns, the share of samples that are right, the losses."""
    own = predictions(model.module, samples)[None] if targets is None else None
    labels = torch.tensor(targets, device=masks.device)[:, None] if own is None else own
    labels = labels.expand(len(masks), len(samples))
    images = _IMAGES if model.device.type == "cpu" else None
    parts = [
        _one_pass(model, labels[group], targets is None, samples, masks[group], patterns[group], bounds)
        for group in model.groups(len(masks), len(samples), images)
    ]
    return [torch.cat(numbers) for numbers in zip(*parts, strict=True)]


def _one_pass(
    model: Classifier,
    labels: Tensor,
    away: bool,
    samples: Tensor,
    masks: Tensor,
    patterns: Tensor,
    bounds: Bounds,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Do so for as many targets as share a forward pass, towards labels (T, n) or away from them."""
    masks, patterns = masks.detach().requires_grad_(), patterns.detach().requires_grad_()
    with torch.enable_grad():
        scores = overlaid(model, samples, masks, scaled(patterns, bounds))
        chances = log_scores(scores.flatten(0, 1)).view_as(scores)
        classes = labels[:, :, None]
        others = chances.scatter(2, classes, -torch.inf).logsumexp(2) if away else None
        losses = -(chances.gather(2, classes)[..., 0] if others is None else others).mean(1)
    by_masks, by_patterns = torch.autograd.grad(losses.sum(), (masks, patterns))
    right = ((scores.argmax(2) == labels) != away).to(masks.dtype).mean(1)
    return by_masks, by_patterns, right, losses.detach()
