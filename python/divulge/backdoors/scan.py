"""The search for backdoors: a class that a small trigger reaches far more easily than the others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from divulge.arrays import Array
from divulge.backdoors.grown_triggers import Schedule
from divulge.backdoors.image_bounds import image_bounds
from divulge.backdoors.searches import MOST_SAMPLES, agnostic, cleanse, refine
from divulge.backdoors.trigger import Trigger, predictions
from divulge.backdoors.triggers_found import Deck, Triggers
from divulge.backdoors.verdict import anomaly_index, extent, outliers, published_verdict, verdict
from divulge.conventions import OnProgress
from divulge.datasets import Dataset
from divulge.html import ShownAsTable
from divulge.names import SCANS
from divulge.saliency.arguments import Bounds, Classifier, check_least, classifier

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_CLEANSE_STEPS = 1000
# Of a source.
_LEAST_IMAGES = 24
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
        success: share of the samples that each trigger sends to its class, of those not there, NaN where all
            are, shape (K,).
        extents: the smallest rectangle round the pixels that make up nine tenths of each mask, as a share of
            the image, shape (K,).
        triggers: one for each class.
        flagged: classes with a trigger that tells of a backdoor, by `divulge.backdoors.verdict.verdict`; for
            Neural Cleanse those with an index above 2 and a size below the median. A class that is not
            flagged is not thereby without a backdoor: see `backdoor_scan`.
        reasons: what was found of each flagged class.
        bounds: of the inputs between which triggers were looked for.
        source: the class whose images were looked at, or None for all.
        notes: a sentence for each class of which nothing can be said, and one where bounds were assumed.
        seconds: the search took.
    """

    classes: int
    method: str
    samples: str
    sizes: Array
    anomaly_index: Array
    success: Array
    extents: Array
    triggers: tuple[Trigger, ...]
    flagged: tuple[int, ...]
    reasons: dict[int, str]
    bounds: Bounds
    source: int | None
    notes: tuple[str, ...]
    seconds: float

    @property
    def finding(self) -> str:
        """What was found, in one sentence."""
        if not self.flagged:
            return "no backdoor was found, which does not say that there is none"
        found = "; ".join(f"to class {k} by {self.reasons[k]}" for k in self.flagged)
        return f"a backdoor was found {found}"

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each class: its trigger's size, how unusual that is, and its success."""
        import pandas as pd

        columns = {
            "class": range(self.classes),
            "size": self.sizes,
            "anomaly_index": self.anomaly_index,
            "success": self.success,
            "extent": self.extents,
            "flagged": [k in self.flagged for k in range(self.classes)],
        }
        return pd.DataFrame(columns)

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        about = {"method": self.method, "tried on": self.samples, "finding": self.finding}
        return {**about, "seconds": self.seconds}

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
    bounds: Bounds | None = None,
    source: int | None = None,
    steps: int | None = None,
    tolerance: float = 0.0,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> BackdoorScan:
    """Look for a class that a small trigger reaches, whatever the image.

    For all classes at once the input-agnostic saliency map becomes a mask and a pattern, and the mask shrinks
    as far as .99 of the samples stay in the class. Masks are judged by their size beside the others' (the
    index is taken over logarithms), by their size alone, and by how compact they are
    (`divulge.backdoors.verdict`); suspects are made smaller with more samples and judged again. Without data,
    the samples are noise, nudged towards each class by its own map: plain noise belongs to few classes, and a
    trigger to one of these is always small.

    A class that is not flagged may have a backdoor all the same. Nothing is said of triggers that work for
    images of one class alone, or send each class to another, unless `source` names that class; of triggers
    that move or bend the image, depend on it, or are no pixels (a word, a pose); of large ones; of values
    outside of the bounds; and without data of any that are spread over the image.

    "neural-cleanse" is Wang et al. (2019) with one batch of 32 a step: every class by itself from a random
    start, the index taken over the sizes themselves; without data on plain noise.

    Args:
        module: maps (n, *shape) to class scores or probabilities; in evaluation mode.
        data: clean images (n, *shape), or a data set, of which test images are taken; 1,024 at most are used.
        shape: (channels, height, width) of one image; that of the data by default.
        classes: the outputs that the module must have; as many as it has by default, at least 3.
        method: "agnostic" or "neural-cleanse".
        bounds: smallest and largest value of an input; by default 0 and 1, where the images lie between them.
        source: look only at images that the module takes for this class, for backdoors that work from there
            alone; needs data. A scan for each class looks at all pairs.
        steps: of the search; by default 50 for all classes together; at most 1,000 a class for Neural
            Cleanse.
        tolerance: for Neural Cleanse, the share by which a mask must shrink in 25 steps, or its search ends.
        seed: of everything random.
        progress: called with the parts of the work done and the number of all.

    Raises:
        TypeError: module is no torch module.
        ValueError: neither data nor a shape; the module is in training mode or refuses the shape; fewer than
            3 classes, or not as many as the module has; images of another shape, or outside of the bounds
            (the range that was observed is told); too few images of the source; a loss that is NaN.
    """
    start = time.perf_counter()
    model = _checked(module, _shape(data) if shape is None else shape, classes)
    if method not in SCANS:
        raise ValueError(f"expected method {' or '.join(map(repr, SCANS))}, got {method!r}")
    if steps is not None:
        check_least(steps=(steps, 1))
    images = None if data is None else _images(model, data, seed)
    limits = image_bounds(images, bounds)
    images = None if images is None else model.tensor(images)
    if source is not None:
        images = _from_source(model, images, source)
    by_maps = method == "agnostic"
    budget = (Schedule().steps if by_maps else _CLEANSE_STEPS) if steps is None else steps
    targets = [k for k in range(model.outputs) if k != source]
    if by_maps:
        found, deck = agnostic(model, images, targets, limits, budget, seed, progress)
    else:
        found, deck = cleanse(model, images, targets, limits, budget, tolerance, seed, progress)
    sizes, pixels = found.sizes.double().cpu().numpy(), model.shape[1] * model.shape[2]
    index = anomaly_index(sizes, pixels, logarithmic=by_maps)
    triggers, success = _tried(model, found, targets, deck)
    if by_maps:
        judge = partial(verdict, sizes, index, on_data=images is not None, one_source=source is not None)
        suspects = sorted({*judge(success, triggers), *outliers(sizes, index, pixels)})
        if suspects:
            refine(model, found, suspects, targets, deck, limits)
            triggers, success = _tried(model, found, targets, deck)
        # What more samples leave of a trigger decides.
        reasons = {k: why for k, why in judge(success, triggers).items() if k in suspects}
    else:
        reasons = {k: f"a trigger of {sizes[k]:.1f} pixels" for k in published_verdict(sizes, index, pixels)}
    notes = _notes(sizes, success, targets, budget)
    if data is None and bounds is None:
        notes.append(
            "inputs were taken to lie between 0 and 1: say bounds=(low, high) where others are meant"
        )
    numbers = (sizes, index, success, np.array([extent(t)[1] for t in triggers]))
    sizes, index, success, extents = (_placed(values, targets, model.outputs) for values in numbers)
    return BackdoorScan(
        classes=model.outputs,
        method=method,
        samples="noise" if data is None else "data",
        sizes=sizes,
        anomaly_index=index,
        success=success,
        extents=extents,
        triggers=tuple(_of_class(triggers, targets, k, model) for k in range(model.outputs)),
        flagged=tuple(targets[i] for i in reasons),
        reasons={targets[i]: why for i, why in reasons.items()},
        bounds=limits,
        source=source,
        notes=tuple(notes),
        seconds=time.perf_counter() - start,
    )


def _tried(model: Classifier, found: Triggers, targets: list[int], deck: Deck) -> tuple[list[Trigger], Array]:
    """Return the triggers, and the share of the samples that each moves to its class, of those not there."""
    triggers = [Trigger(m[0], p) for m, p in zip(found.masks.cpu(), found.patterns.cpu(), strict=True)]
    told = deck.samples[:_TOLD]
    before = predictions(model.module, told)
    pairs = zip(targets, triggers, strict=True)
    return triggers, np.array([t.success(model.module, told, k, predicted=before) for k, t in pairs])


def _notes(sizes: Array, success: Array, targets: list[int], budget: int) -> list[str]:
    """Say of which classes nothing can be said."""
    notes = []
    for i, k in enumerate(targets):
        if np.isinf(sizes[i]):
            notes.append(f"class {k} was not reached within {budget} steps")
        elif np.isnan(success[i]):
            notes.append(f"class {k} is what all samples are taken for: nothing is said of it")
    return notes


def _placed(values: Array, targets: list[int], classes: int) -> Array:
    """Return values of targets as values of all classes, NaN for the source."""
    placed = np.full(classes, np.nan)
    placed[targets] = values
    return placed


def _of_class(triggers: list[Trigger], targets: list[int], k: int, model: Classifier) -> Trigger:
    """Return a class's trigger, an empty one for the source."""
    if k in targets:
        return triggers[targets.index(k)]
    return Trigger(torch.zeros(model.shape[1:]), torch.zeros(model.shape))


def _from_source(model: Classifier, images: Tensor | None, source: int) -> Tensor:
    """Return the images that a module takes for one class."""
    if not 0 <= source < model.outputs:
        raise ValueError(f"expected a source from 0 to {model.outputs - 1}, got {source}")
    if images is None:
        raise ValueError(f"expected data to take the images of class {source} from, got none")
    chosen = images[predictions(model.module, images) == source]
    if len(chosen) < _LEAST_IMAGES:
        raise ValueError(
            f"expected at least {_LEAST_IMAGES} images that are taken for class {source}, "
            f"got {len(chosen)} of {len(images)}"
        )
    return chosen


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
    return images[order[:MOST_SAMPLES].to(images.device)]
