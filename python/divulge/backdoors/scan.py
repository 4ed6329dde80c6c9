"""The search for backdoors: a class that a small trigger reaches far more easily than the others."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from divulge.arrays import Array
from divulge.backdoors.asked import Asked, asked_for
from divulge.backdoors.grown_triggers import Schedule
from divulge.backdoors.judged import Judged, judged_by_cleansing, judged_by_maps
from divulge.backdoors.result import BackdoorScan
from divulge.backdoors.trigger import Trigger
from divulge.backdoors.verdict import extent
from divulge.conventions import OnProgress
from divulge.datasets import Dataset
from divulge.names import SCANS
from divulge.saliency.arguments import Bounds, check_least

_CLEANSE_STEPS = 1000
_ASSUMED = "inputs were taken to lie between 0 and 1: say bounds=(low, high) where others are meant"
# A sentence for each kind of scan.
_OTHER_TRIGGERS = (
    "nothing is said of triggers that work from one class alone: source=k looks for those that work from "
    "class k"
)
_ALL_TO_ALL = "nothing is said of triggers that send each class to another, which are looked for with data"
_OTHER_SOURCES = "only triggers that work from class {} were looked for"


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

    With data, one more trigger is grown that sends images away from their classes, wherever they go: where it
    sends most classes each to one of its own, the backdoor is one of all to all
    (`divulge.backdoors.all_to_all`).

    A class that is not flagged may have a backdoor all the same. Nothing is said of triggers that work for
    images of one class alone, unless `source` names that class; of triggers that move or bend the image,
    depend on it, or are no pixels (a word, a pose); of large ones; of values outside of the bounds; and
    without data of any that are spread over the image.

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
    if method not in SCANS:
        raise ValueError(f"expected method {' or '.join(map(repr, SCANS))}, got {method!r}")
    if steps is not None:
        check_least(steps=(steps, 1))
    asked = asked_for(module, data, shape, classes, bounds, source, seed)
    if method == "agnostic":
        budget = Schedule().steps if steps is None else steps
        judged = judged_by_maps(asked, budget, seed, progress)
    else:
        budget = _CLEANSE_STEPS if steps is None else steps
        judged = judged_by_cleansing(asked, budget, tolerance, seed, progress)
    looked_everywhere = method == "agnostic" and data is not None
    notes = _notes(
        asked, judged, budget, looked_everywhere=looked_everywhere, assumed=data is None and bounds is None
    )
    return _result(asked, judged, method, notes, time.perf_counter() - start)


def _result(asked: Asked, judged: Judged, method: str, notes: list[str], seconds: float) -> BackdoorScan:
    """Return what was found of the targets as what was found of all classes."""
    classes, targets = asked.model.outputs, asked.targets
    extents = np.array([extent(t)[1] for t in judged.triggers])
    numbers = (judged.sizes, judged.index, judged.success, extents)
    sizes, index, success, extents = (_placed(values, targets, classes) for values in numbers)
    nothing = Trigger(torch.zeros(asked.model.shape[1:]), torch.zeros(asked.model.shape))
    triggers = dict(zip(targets, judged.triggers, strict=True))
    return BackdoorScan(
        classes=classes,
        method=method,
        samples="noise" if asked.images is None else "data",
        sizes=sizes,
        anomaly_index=index,
        success=success,
        extents=extents,
        triggers=tuple(triggers.get(k, nothing) for k in range(classes)),
        flagged=tuple(targets[i] for i in judged.reasons),
        reasons={targets[i]: why for i, why in judged.reasons.items()},
        bounds=asked.bounds,
        source=asked.source,
        notes=tuple(notes),
        seconds=seconds,
        away=None if judged.away is None else judged.away[0],
        moves={} if judged.away is None else judged.away[1],
    )


def _notes(asked: Asked, judged: Judged, budget: int, *, looked_everywhere: bool, assumed: bool) -> list[str]:
    """Say of which classes, and of which triggers, nothing can be said."""
    notes = []
    for k, size, success in zip(asked.targets, judged.sizes, judged.success, strict=True):
        if np.isinf(size):
            notes.append(f"class {k} was not reached within {budget} steps")
        elif np.isnan(success):
            notes.append(f"class {k} is what all samples are taken for: nothing is said of it")
    notes.append(_OTHER_TRIGGERS if asked.source is None else _OTHER_SOURCES.format(asked.source))
    if asked.source is None and not looked_everywhere:
        notes.append(_ALL_TO_ALL)
    return [*notes, _ASSUMED] if assumed else notes


def _placed(values: Array, targets: list[int], classes: int) -> Array:
    """Return values of targets as values of all classes, NaN for the source."""
    placed = np.full(classes, np.nan)
    placed[targets] = values
    return placed
