"""A search for triggers with its verdict, by either method."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from divulge.arrays import Array
from divulge.backdoors.all_to_all import all_to_all
from divulge.backdoors.asked import Asked
from divulge.backdoors.searches import WEAKENED, agnostic, cleanse, reach_most, refine
from divulge.backdoors.trigger import Trigger, predictions
from divulge.backdoors.triggers_found import Deck, Triggers
from divulge.backdoors.verdict import anomaly_index, outliers, published_verdict, verdict, weakened_verdict
from divulge.conventions import OnProgress

# The success of every trigger is told on so many.
_TOLD = 256


@dataclass(frozen=True)
class Judged:
    """What was found, one number or trigger a target.

    Attributes:
        sizes: of the masks, infinite where none was found, shape (T,).
        index: how unusual each is, shape (T,).
        success: share of the samples that each trigger moves, NaN where all were there before, shape (T,).
        triggers: T of them.
        reasons: why a target is flagged, by its place among the targets.
        away: a trigger that sends each class to one of its own, where one was found, and where each goes.
    """

    sizes: Array
    index: Array
    success: Array
    triggers: tuple[Trigger, ...]
    reasons: dict[int, str]
    away: tuple[Trigger, dict[int, int]] | None = None


def judged_by_maps(asked: Asked, steps: int, seed: int, progress: OnProgress | None) -> Judged:
    """Grow triggers from saliency maps, judge them, and judge suspects again; then look for all to all."""
    judged, deck = _judged_targets(asked, steps, seed, progress)
    whole = asked.images is not None and asked.source is None
    return replace(judged, away=all_to_all(asked, deck, seed)) if whole else judged


def _judged_targets(asked: Asked, steps: int, seed: int, progress: OnProgress | None) -> tuple[Judged, Deck]:
    """Do so for each target, and return the samples, too."""
    found, deck = agnostic(asked.model, asked.images, asked.targets, asked.bounds, steps, seed, progress)
    sizes = found.sizes.double().cpu().numpy()
    index = anomaly_index(sizes, asked.pixels)
    judge = partial(
        verdict, sizes, index, on_data=asked.images is not None, one_source=asked.source is not None
    )
    triggers, success = _tried(asked, found, deck)
    unusual = outliers(sizes, index, asked.pixels)
    suspects = sorted({*judge(success, triggers), *unusual})
    if not suspects:
        return Judged(sizes, index, success, triggers, {}), deck
    first = found.copy()
    refine(asked.model, found, suspects, asked.targets, deck, asked.bounds)
    triggers, success = _tried(asked, found, deck)
    # What more samples leave of a trigger decides.
    reasons = {k: why for k, why in judge(success, triggers).items() if k in suspects}
    judged = Judged(sizes, index, success, triggers, reasons)
    others = [k for k in unusual if k not in reasons]
    if not others or asked.images is None or asked.source is not None:
        return judged, deck
    return _with_weakened(judged, others, asked, first, deck), deck


def judged_by_cleansing(
    asked: Asked, steps: int, tolerance: float, seed: int, progress: OnProgress | None
) -> Judged:
    """Do as Neural Cleanse does."""
    found, deck = cleanse(
        asked.model, asked.images, asked.targets, asked.bounds, steps, tolerance, seed, progress
    )
    sizes = found.sizes.double().cpu().numpy()
    index = anomaly_index(sizes, asked.pixels, logarithmic=False)
    triggers, success = _tried(asked, found, deck)
    flagged = published_verdict(sizes, index, asked.pixels)
    return Judged(
        sizes, index, success, triggers, {k: f"a trigger of {sizes[k]:.1f} pixels" for k in flagged}
    )


def _with_weakened(judged: Judged, suspects: list[int], asked: Asked, first: Triggers, deck: Deck) -> Judged:
    """Flag suspects whose triggers shrink to a patch where fewer samples must move, too."""
    found = reach_most(asked.model, first, asked.targets, deck, asked.bounds)
    sizes = found.sizes.double().cpu().numpy()
    triggers, success = _tried(asked, found, deck)
    reasons = weakened_verdict(
        sizes, anomaly_index(sizes, asked.pixels), success, triggers, suspects, WEAKENED
    )
    return replace(
        judged,
        success=np.array([success[k] if k in reasons else s for k, s in enumerate(judged.success)]),
        triggers=tuple(triggers[k] if k in reasons else t for k, t in enumerate(judged.triggers)),
        reasons=dict(sorted({**judged.reasons, **reasons}.items())),
    )


def _tried(asked: Asked, found: Triggers, deck: Deck) -> tuple[tuple[Trigger, ...], Array]:
    """Return the triggers, and the share of the samples that each moves to its class, of those not there."""
    triggers = tuple(Trigger(m[0], p) for m, p in zip(found.masks.cpu(), found.patterns.cpu(), strict=True))
    told, module = deck.samples[:_TOLD], asked.model.module
    before = predictions(module, told)
    pairs = zip(asked.targets, triggers, strict=True)
    return triggers, np.array([t.success(module, told, k, predicted=before) for k, t in pairs])
