"""The search for backdoors: a class that a small trigger reaches far more easily than the others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from divulge.arrays import Array
from divulge.backdoors.grown_triggers import Schedule, grow_triggers, started_from
from divulge.backdoors.neural_cleanse import neural_cleanse
from divulge.backdoors.trigger import Trigger, predictions
from divulge.backdoors.triggers_found import Deck, Triggers
from divulge.conventions import OnProgress
from divulge.datasets import Dataset
from divulge.html import ShownAsTable
from divulge.names import SCANS
from divulge.saliency.arguments import Bounds, Classifier, check_bounds, check_least, classifier
from divulge.saliency.maps import agnostic_saliency

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

# An index above this is an outlier, as Neural Cleanse has it.
OUTLIER = 2.0
# And a flagged trigger is at most this share of the median: without a backdoor the smallest of ten was .55 to
# .88 of it on classifiers of MNIST and CIFAR-10, with one .01 to .46.
SMALL = 0.5
_MOST_SAMPLES = 1024
_MAP_STEPS, _MAP_SAMPLES = 8, 8
# No data: samples a class.
_DRAWS = 48
_POLISH = Schedule(steps=50, batch=64, first=0.2, last=0.01, proof=256, bend=0.3)
_CLEANSE_STEPS = 1000
# The success of every trigger is told on so many.
_TOLD = 256


@dataclass(frozen=True)
class BackdoorScan(ShownAsTable):
    """What a search for backdoors found.

    Attributes:
        classes: number of classes, K.
        method: "agnostic" or "neural-cleanse".
        samples: "data" or "noise", what the triggers were tried on.
        sizes: the sum of each class's mask in pixels, infinite where no trigger was found, shape (K,).
        anomaly_index: |x - median| / (1.4826 median|x - median|), x the logarithm of the size, or the size
            itself for Neural Cleanse, shape (K,).
        success: share of the samples that each trigger sends to its class, of those not there, shape (K,).
        triggers: one for each class.
        flagged: classes with an index above 2 and a size below the median, and, but for Neural Cleanse, at
            most half of it.
        notes: a sentence for each class that was not reached.
        seconds: the search took.
    """

    classes: int
    method: str
    samples: str
    sizes: Array
    anomaly_index: Array
    success: Array
    triggers: tuple[Trigger, ...]
    flagged: tuple[int, ...]
    notes: tuple[str, ...]
    seconds: float

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each class: its trigger's size, how unusual that is, and its success."""
        import pandas as pd

        columns = {
            "class": range(self.classes),
            "size": self.sizes,
            "anomaly_index": self.anomaly_index,
            "success": self.success,
            "flagged": [k in self.flagged for k in range(self.classes)],
        }
        return pd.DataFrame(columns)

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        flagged = ", ".join(map(str, self.flagged)) or "none"
        return {"method": self.method, "tried on": self.samples, "flagged": flagged, "seconds": self.seconds}

    def plot(self) -> Figure:
        """Draw each class's mask with its size, and below it mask times pattern with the anomaly index."""
        from divulge.backdoors.figures import triggers_figure

        return triggers_figure(self)


def backdoor_scan(
    module: nn.Module,
    data: Dataset | Tensor | None = None,
    *,
    shape: Sequence[int] | None = None,
    classes: int | None = None,
    method: str = "agnostic",
    bounds: Bounds = (0.0, 1.0),
    steps: int | None = None,
    tolerance: float = 0.0,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> BackdoorScan:
    """Look for a class that a small trigger reaches, whatever the image.

    For all classes at once the input-agnostic saliency map becomes a mask and a pattern, and the mask shrinks
    as far as .99 of the samples stay in the class. A class whose mask is an outlier by the median absolute
    deviation of the logarithms of the sizes, and at most half the median, is flagged; its trigger is made
    smaller with more samples. Without data, the samples are noise, nudged towards each class by its own map:
    plain noise belongs to few classes, and a trigger to one of these is always small.

    "neural-cleanse" is Wang et al. (2019) with one batch of 32 a step: every class by itself from a random
    start, the index taken over the sizes themselves; without data on plain noise.

    Args:
        module: maps (n, *shape) to class scores or probabilities; in evaluation mode.
        data: clean images (n, *shape), or a data set, of which test images are taken; 1,024 at most are used.
        shape: (channels, height, width) of one image; that of the data by default.
        classes: the outputs that the module must have; as many as it has by default, at least 3.
        method: "agnostic" or "neural-cleanse".
        bounds: smallest and largest value of an input.
        steps: of the search; by default 50 for all classes together; at most 1,000 a class for Neural
            Cleanse.
        tolerance: for Neural Cleanse, the share by which a mask must shrink in 25 steps, or its search ends.
        seed: of everything random.
        progress: called with the parts of the work done and the number of all.

    Raises:
        TypeError: module is no torch module.
        ValueError: neither data nor a shape; the module is in training mode or refuses the shape; fewer than
            3 classes, or not as many as the module has; images of another shape; a loss that is NaN.
    """
    start = time.perf_counter()
    model = _checked(module, _shape(data) if shape is None else shape, classes)
    check_bounds(bounds)
    if method not in SCANS:
        raise ValueError(f"expected method {' or '.join(map(repr, SCANS))}, got {method!r}")
    if steps is not None:
        check_least(steps=(steps, 1))
    images = None if data is None else model.tensor(_images(model, data, seed))
    agnostic = method == "agnostic"
    budget = (Schedule().steps if agnostic else _CLEANSE_STEPS) if steps is None else steps
    if agnostic:
        found, deck = _agnostic(model, images, bounds, budget, seed, progress)
    else:
        found, deck = _cleanse(model, images, bounds, budget, tolerance, seed, progress)
    sizes = found.sizes.double().cpu().numpy()
    index, flagged = judged(sizes, model.shape[1] * model.shape[2], logarithmic=agnostic)
    if agnostic and flagged:
        _refine(model, found, flagged, deck, bounds)
    triggers = tuple(Trigger(m[0], p) for m, p in zip(found.masks.cpu(), found.patterns.cpu(), strict=True))
    told = deck.samples[:_TOLD]
    before = predictions(module, told)
    success = [t.success(module, told, k, predicted=before) for k, t in enumerate(triggers)]
    notes = tuple(
        f"class {k} was not reached within {budget} steps" for k in range(model.outputs) if np.isinf(sizes[k])
    )
    return BackdoorScan(
        model.outputs, method, "noise" if data is None else "data", sizes, index, np.array(success), triggers,
        tuple(flagged), notes, time.perf_counter() - start,
    )  # fmt: skip


def judged(sizes: Array, pixels: int, *, logarithmic: bool = True) -> tuple[Array, list[int]]:
    """Return each class's anomaly index, and the classes that are flagged.

    Args:
        sizes: of the masks, infinite where none was found, which counts as the whole image; shape (K,).
        pixels: of an image.
        logarithmic: take the index over the logarithm of sizes of at least one pixel, and flag only what is
            at most half the median.
    """
    sizes = np.minimum(sizes, pixels)
    x = np.log(np.maximum(sizes, 1)) if logarithmic else sizes
    distance = np.abs(x - np.median(x))
    deviation = 1.4826 * float(np.median(distance))
    index = np.divide(distance, deviation, out=np.where(distance > 0, np.inf, 0.0), where=deviation > 0)
    limit = (SMALL if logarithmic else 1) * np.median(sizes)
    flags = (index > OUTLIER) & ((sizes <= limit) if logarithmic else (sizes < limit))
    return index, [int(k) for k in np.flatnonzero(flags)]


def _shape(data: Dataset | Tensor | None) -> Sequence[int]:
    """Return the shape of one image of the data."""
    if data is None:
        raise ValueError("expected data, or the shape (channels, height, width) of one image, got neither")
    return data.input_shape if isinstance(data, Dataset) else data.shape[1:]


def _checked(module: nn.Module, shape: Sequence[int], classes: int | None) -> Classifier:
    """Return the module with what is known of it."""
    if classes is not None and classes < 3:
        raise ValueError(f"expected at least 3 classes, for a median to say what is usual, got {classes}")
    model = classifier(module, shape)
    if model.outputs < 3:
        raise ValueError(
            f"expected at least 3 classes, for a median to say what is usual, got {model.outputs}"
        )
    if classes not in (None, model.outputs):
        raise ValueError(f"expected {classes} outputs, one a class, the module has {model.outputs}")
    return model


def _images(model: Classifier, data: Dataset | Tensor, seed: int) -> Tensor:
    """Return at most 1,024 images of the data."""
    images = data.test_inputs if isinstance(data, Dataset) else data
    if tuple(images.shape[1:]) != model.shape or not len(images):
        raise ValueError(
            f"expected images of shape (n, {', '.join(map(str, model.shape))}), got {tuple(images.shape)}"
        )
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return images[order[:_MOST_SAMPLES].to(images.device)]


def _noise(model: Classifier, bounds: Bounds, seed: int) -> Tensor:
    """Return 1,024 samples of Gaussian noise around the middle of the bounds."""
    low, high = bounds
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(_MOST_SAMPLES, *model.shape, generator=generator)
    return ((low + high) / 2 + (high - low) / 4 * noise).clamp(low, high)


def _agnostic(
    model: Classifier,
    images: Tensor | None,
    bounds: Bounds,
    steps: int,
    seed: int,
    progress: OnProgress | None,
) -> tuple[Triggers, Deck]:
    """Return the classes' triggers, and the samples that they were tried on."""
    maps = model.tensor(
        agnostic_saliency(
            model.module, range(model.outputs), model.shape, samples=_MAP_SAMPLES, steps=_MAP_STEPS,
            step_size=0.1, bounds=bounds, reach=None, seed=seed,
            radius=0.1 * (bounds[1] - bounds[0]) * (model.shape[0] * model.shape[1] * model.shape[2]) ** 0.5,
        ).maps
    )  # fmt: skip
    deck = Deck(model.tensor(_nudged(model, maps, bounds, seed)) if images is None else images, seed)
    # Noise varies more than data: with fewer samples a clean classifier's class can look easily reached.
    schedule = Schedule(steps=steps, early=1.0 if images is None else 0.5)
    targets = list(range(model.outputs))
    return grow_triggers(model, targets, deck, *started_from(maps), bounds, schedule, progress), deck


def _refine(model: Classifier, found: Triggers, flagged: list[int], deck: Deck, bounds: Bounds) -> None:
    """Make the flagged classes' triggers smaller, in place, with more samples; the sizes stay as judged."""
    low, high = bounds
    patterns = (found.patterns[flagged] - low) / (high - low)
    finer = grow_triggers(model, flagged, deck, found.masks[flagged], patterns, bounds, _POLISH)
    for i in torch.nonzero(torch.isfinite(finer.sizes)).flatten().tolist():
        found.masks[flagged[i]], found.patterns[flagged[i]] = finer.masks[i], finer.patterns[i]


def _nudged(model: Classifier, maps: Tensor, bounds: Bounds, seed: int) -> Tensor:
    """Return noise with each of the maps, as many samples of one as of the other."""
    low, high = bounds
    generator = torch.Generator().manual_seed(seed + 1)
    count = min(_DRAWS, max(1, 4 * _MOST_SAMPLES // len(maps)))
    noise = torch.randn(count, *model.shape, generator=generator)
    samples = (low + high) / 2 + (high - low) / 4 * model.tensor(noise) + maps[:, None]
    return samples.clamp(low, high).flatten(0, 1)


def _cleanse(
    model: Classifier,
    images: Tensor | None,
    bounds: Bounds,
    steps: int,
    tolerance: float,
    seed: int,
    progress: OnProgress | None,
) -> tuple[Triggers, Deck]:
    """Return the same by Neural Cleanse, one class after the other."""
    samples = model.tensor(_noise(model, bounds, seed)) if images is None else images
    parts = []
    for k in range(model.outputs):
        parts.append(
            neural_cleanse(model, k, samples, bounds, steps=steps, tolerance=tolerance, seed=seed + k)
        )
        if progress is not None:
            progress(k + 1, model.outputs)
    return Triggers.joined(parts), Deck(samples, seed)
