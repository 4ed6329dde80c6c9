"""Which of the triggers found tell of a backdoor: how small they are, and how compact."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from divulge.arrays import Array
from divulge.backdoors.trigger import Trigger

# An index above this is an outlier, as Neural Cleanse has it.
OUTLIER = 2.0
# And a flagged patch is at most this share of the median. Between two classes that look alike small changes
# do.
SMALL, SMALL_FROM_SOURCE = 0.5, 0.3
# A patch: nine tenths of its mask lie in a rectangle of at most this share of the image. Of clean
# classifiers' smallest triggers that rectangle takes over half, mostly.
PATCH = 0.28
# A patch of so few pixels, as a share of the image, is flagged whatever the median is: where five classes of
# ten have a backdoor the median is one of theirs.
FEW = 0.03
# On noise, where classes differ more, this alone counts; on small images four pixels are few, too.
FEW_ON_NOISE, FOUR = 0.025, 4
# So few are flagged wherever they lie; told only of data, as any noise may be close to a class. From images
# of one class a patch must be of so few.
DOTS = 0.015
# What is spread over the image may be what the class looks like: its index must be this high; or its size is
# at most half the next one's, and its pixels are faint on average, as those of a pattern that was blended in.
# Told only of data: much of any noise may belong to one class.
SPREAD_OUTLIER, GAP, FAINT = 4.0, 0.5, 0.75
# A trigger that moves less of the samples was not found, only tried.
SUCCESS = 0.85


def extent(trigger: Trigger) -> tuple[float, float]:
    """Return how far a trigger reaches, both as shares of the image.

    Returns:
        The pixels that make up nine tenths of the mask, largest first, and the smallest rectangle round them;
        (1, 1) where the mask is zero.
    """
    height, width = trigger.mask.shape
    values, order = trigger.mask.double().flatten().sort(descending=True)
    total = float(values.sum())
    if not total > 0:
        return 1.0, 1.0
    count = int((values.cumsum(0) < 0.9 * total).sum()) + 1
    rows, columns = torch.div(order[:count], width, rounding_mode="floor"), order[:count] % width
    box = (int(rows.max() - rows.min()) + 1) * (int(columns.max() - columns.min()) + 1)
    return count / (height * width), box / (height * width)


def anomaly_index(sizes: Array, pixels: int, *, logarithmic: bool = True) -> Array:
    """Return |x - median| / (1.4826 median|x - median|) of each class, shape (K,).

    Args:
        sizes: of the masks, infinite where none was found, which counts as the whole image; shape (K,).
        pixels: of an image.
        logarithmic: x is the logarithm of sizes of at least one pixel, else the size itself.
    """
    sizes = np.minimum(sizes, pixels)
    x = np.log(np.maximum(sizes, 1)) if logarithmic else sizes
    distance = np.abs(x - np.median(x))
    deviation = 1.4826 * float(np.median(distance))
    index: Array = np.divide(
        distance, deviation, out=np.where(distance > 0, np.inf, 0.0), where=deviation > 0
    )
    return index


def published_verdict(sizes: Array, index: Array, pixels: int) -> list[int]:
    """Return the classes that Neural Cleanse flags: outliers below the median."""
    sizes = np.minimum(sizes, pixels)
    return [int(k) for k in np.flatnonzero((index > OUTLIER) & (sizes < np.median(sizes)))]


def outliers(sizes: Array, index: Array, pixels: int) -> list[int]:
    """Return the classes that are outliers of at most half the median: suspects, whatever their extent."""
    sizes = np.minimum(sizes, pixels)
    return [int(k) for k in np.flatnonzero((index > OUTLIER) & (sizes <= SMALL * np.median(sizes)))]


def verdict(
    sizes: Array,
    index: Array,
    success: Array,
    triggers: Sequence[Trigger],
    *,
    on_data: bool,
    one_source: bool = False,
) -> dict[int, str]:
    """Return the classes that are flagged, with the reason.

    A class is flagged where its trigger moves most of the samples, and is

    - a patch, and of few pixels or, where data were given, an outlier of at most half the median;
    - where data were given, a few dots anywhere;
    - where data were given, spread, of at most half the median, and a far outlier or both faint and at most
      half of the next larger one.

    Of images of one class only patches are told, of fewer pixels.

    Args:
        sizes: of the masks, infinite where none was found, shape (K,).
        index: of each, shape (K,).
        success: share of the samples that each trigger moves, NaN where all were there before, shape (K,).
        triggers: one a class.
        on_data: whether the samples were images.
        one_source: whether they were of one class.
    """
    pixels = triggers[0].mask.numel()
    few_at_most = DOTS if one_source else FEW if on_data else max(FEW_ON_NOISE, FOUR / pixels)
    share = SMALL_FROM_SOURCE if one_source else SMALL if on_data else 0.0
    sizes = np.minimum(sizes, pixels)
    median, found = float(np.median(sizes)), {}
    works = [k for k in range(len(sizes)) if success[k] >= SUCCESS and sizes[k] < pixels]
    for k in works:
        few, box = extent(triggers[k])
        size = f"{sizes[k]:.1f} pixels, {sizes[k] / median:.2f} of the median"
        small = sizes[k] <= share * median and index[k] > OUTLIER
        if box <= PATCH and (few <= few_at_most or small):
            found[k] = f"a patch of {size}"
        elif on_data and few <= DOTS and not one_source:
            found[k] = f"dots of {size}"
    for k in works if on_data and not one_source else []:
        others = [size for j, size in enumerate(sizes) if j != k and j not in found]
        few, box = extent(triggers[k])
        faint = 0.9 * triggers[k].size <= FAINT * few * pixels and sizes[k] <= GAP * min(others, default=0.0)
        if k not in found and (index[k] > SPREAD_OUTLIER or faint) and sizes[k] <= SMALL * median:
            found[k] = f"a trigger over {box:.0%} of the image, of {sizes[k]:.1f} pixels"
    return dict(sorted(found.items()))


def weakened_verdict(
    sizes: Array,
    index: Array,
    success: Array,
    triggers: Sequence[Trigger],
    suspects: Sequence[int],
    share: float,
) -> dict[int, str]:
    """Return the suspects that are flagged where a trigger need move a smaller share of the samples.

    What a clean classifier holds of a class stays spread then; the trigger of a backdoor that was weakened
    shrinks to its patch, an outlier of at most half the median.

    Args:
        sizes: of the masks, infinite where none was found, shape (K,).
        index: of each, shape (K,).
        success: share of the samples that each trigger moves, shape (K,).
        triggers: one a class.
        suspects: classes in question.
        share: of the samples that were to be moved.
    """
    pixels, found = triggers[0].mask.numel(), {}
    small = outliers(sizes, index, pixels)
    median = float(np.median(np.minimum(sizes, pixels)))
    for k in suspects:
        works = k in small and np.isfinite(sizes[k]) and success[k] >= share * SUCCESS
        if works and extent(triggers[k])[1] <= PATCH:
            size = f"{sizes[k]:.1f} pixels, {sizes[k] / median:.2f} of the median"
            found[k] = f"a patch of {size}, that moves {success[k]:.0%} of the samples"
    return found
