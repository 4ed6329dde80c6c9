"""The two searches for triggers, on images or on noise, of any targets."""

from __future__ import annotations

import torch
from torch import Tensor

from divulge.backdoors.grown_triggers import Schedule, grow_triggers, started_from
from divulge.backdoors.neural_cleanse import neural_cleanse
from divulge.backdoors.triggers_found import Deck, Triggers
from divulge.conventions import OnProgress
from divulge.saliency.arguments import Bounds, Classifier
from divulge.saliency.maps import agnostic_saliency

MOST_SAMPLES = 1024
_MAP_STEPS, _MAP_SAMPLES = 8, 8
# No data: samples a class.
_DRAWS = 48
# A backdoor that fine-tuning has weakened moves most samples by its small trigger, but not .99 of them.
WEAKENED = 0.75
MOST = Schedule(early=0.5, success=WEAKENED)
_POLISH = Schedule(steps=50, batch=64, first=0.2, last=0.01, proof=256, bend=0.3)


def _noise(model: Classifier, bounds: Bounds, seed: int) -> Tensor:
    """Return 1,024 samples of Gaussian noise around the middle of the bounds."""
    low, high = bounds
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(MOST_SAMPLES, *model.shape, generator=generator)
    return ((low + high) / 2 + (high - low) / 4 * noise).clamp(low, high)


def agnostic(
    model: Classifier,
    images: Tensor | None,
    targets: list[int],
    bounds: Bounds,
    steps: int,
    seed: int,
    progress: OnProgress | None,
) -> tuple[Triggers, Deck]:
    """Return the targets' triggers, and the samples that they were tried on."""
    maps = model.tensor(
        agnostic_saliency(
            model.module, targets, model.shape, samples=_MAP_SAMPLES, steps=_MAP_STEPS,
            step_size=0.1, bounds=bounds, reach=None, seed=seed,
            radius=0.1 * (bounds[1] - bounds[0]) * (model.shape[0] * model.shape[1] * model.shape[2]) ** 0.5,
        ).maps
    )  # fmt: skip
    deck = Deck(model.tensor(_nudged(model, maps, bounds, seed)) if images is None else images, seed)
    # Noise varies more than data: with fewer samples a clean classifier's class can look easily reached.
    schedule = Schedule(steps=steps, early=1.0 if images is None else 0.5)
    return grow_triggers(model, targets, deck, *started_from(maps), bounds, schedule, progress), deck


def refine(
    model: Classifier, found: Triggers, flagged: list[int], targets: list[int], deck: Deck, bounds: Bounds
) -> None:
    """Make the flagged triggers smaller, in place, with more samples; the sizes stay as judged.

    Args:
        model: the classifier.
        found: one trigger a target.
        flagged: places among the targets.
        targets: classes.
        deck: the samples.
        bounds: of the inputs.
    """
    classes, patterns = [targets[i] for i in flagged], _relative(found.patterns[flagged], bounds)
    finer = grow_triggers(model, classes, deck, found.masks[flagged], patterns, bounds, _POLISH)
    for i in torch.nonzero(torch.isfinite(finer.sizes)).flatten().tolist():
        found.masks[flagged[i]], found.patterns[flagged[i]] = finer.masks[i], finer.patterns[i]


def reach_most(
    model: Classifier, found: Triggers, targets: list[int], deck: Deck, bounds: Bounds
) -> Triggers:
    """Return triggers that move three quarters of the samples, grown from those that move .99."""
    patterns = _relative(found.patterns, bounds)
    return grow_triggers(model, targets, deck, found.masks, patterns, bounds, MOST)


def _relative(patterns: Tensor, bounds: Bounds) -> Tensor:
    """Return patterns in the units of the inputs as numbers from 0 to 1."""
    return (patterns - bounds[0]) / (bounds[1] - bounds[0])


def _nudged(model: Classifier, maps: Tensor, bounds: Bounds, seed: int) -> Tensor:
    """Return noise with each of the maps, as many samples of one as of the other."""
    low, high = bounds
    generator = torch.Generator().manual_seed(seed + 1)
    count = min(_DRAWS, max(1, 4 * MOST_SAMPLES // len(maps)))
    noise = torch.randn(count, *model.shape, generator=generator)
    samples = (low + high) / 2 + (high - low) / 4 * model.tensor(noise) + maps[:, None]
    return samples.clamp(low, high).flatten(0, 1)


def cleanse(
    model: Classifier,
    images: Tensor | None,
    targets: list[int],
    bounds: Bounds,
    steps: int,
    tolerance: float,
    seed: int,
    progress: OnProgress | None,
) -> tuple[Triggers, Deck]:
    """Return the same by Neural Cleanse, one class after the other."""
    samples = model.tensor(_noise(model, bounds, seed)) if images is None else images
    parts = []
    for done, k in enumerate(targets, 1):
        parts.append(
            neural_cleanse(model, k, samples, bounds, steps=steps, tolerance=tolerance, seed=seed + k)
        )
        if progress is not None:
            progress(done, len(targets))
    return Triggers.joined(parts), Deck(samples, seed)
