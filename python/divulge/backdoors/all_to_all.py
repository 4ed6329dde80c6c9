"""A trigger that sends each class to a class of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from divulge.backdoors.asked import Asked
from divulge.backdoors.grown_triggers import grow_triggers
from divulge.backdoors.searches import MOST
from divulge.backdoors.trigger import Trigger, predictions
from divulge.backdoors.triggers_found import Deck

_STARTS = 2
# Of a class: so many images say where it goes, and this share of them goes there.
_LEAST_IMAGES, _SHARE = 10, 0.5
# What moves images of a clean classifier moves them to one class or two; that of all to all to as many as it
# moves.
_LEAST_TARGETS = 4


def all_to_all(asked: Asked, deck: Deck, seed: int) -> tuple[Trigger, dict[int, int]] | None:
    """Return a trigger that sends most classes somewhere, with the class that each is sent to.

    A small trigger is grown that sends three quarters of the images away from their classes, wherever they
    go. The trigger is returned where at least half of the classes, and four, are where other classes go.

    Args:
        asked: what is looked at, with images of all classes.
        deck: the images.
        seed: of the patterns to start from.
    """
    shape = asked.model.shape
    generator = torch.Generator().manual_seed(seed)
    masks = asked.model.tensor(torch.full((_STARTS, 1, *shape[1:]), 0.3))
    patterns = asked.model.tensor(torch.rand(_STARTS, *shape, generator=generator))
    found = grow_triggers(asked.model, None, deck, masks, patterns, asked.bounds, MOST)
    triggers = [Trigger(mask[0], pattern) for mask, pattern in zip(found.masks, found.patterns, strict=True)]
    moves = [moves_of(asked.model.module, trigger, deck.samples) for trigger in triggers]
    best = max(range(_STARTS), key=lambda i: len(set(moves[i].values())))
    if len(set(moves[best].values())) < max(_LEAST_TARGETS, asked.model.outputs / 2):
        return None
    return Trigger(triggers[best].mask.cpu(), triggers[best].pattern.cpu()), moves[best]


def moves_of(module: nn.Module, trigger: Trigger, images: Tensor) -> dict[int, int]:
    """Return where each class goes of which a trigger sends at least half to one other class.

    Args:
        module: maps images to class scores.
        trigger: for such images.
        images: shape (n, channels, height, width); their classes are those that the module names.
    """
    before, after = predictions(module, images), predictions(module, trigger(images))
    moves = {}
    for k in range(int(before.max()) + 1):
        went = torch.bincount(after[before == k])
        count = int(went.sum())
        if count >= _LEAST_IMAGES and int(went.argmax()) != k and int(went.max()) >= _SHARE * count:
            moves[k] = int(went.argmax())
    return moves
