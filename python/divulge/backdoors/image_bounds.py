"""Between which values images lie, and whether the bounds that were given are theirs."""

from __future__ import annotations

import torch
from torch import Tensor

from divulge.saliency.arguments import Bounds, check_bounds

UNIT = (0.0, 1.0)
# Images that use less of the bounds than this are of another scale: numbers up to 1 where 255 was said.
_LEAST_USED = 0.25


def image_bounds(images: Tensor | None, bounds: Bounds | None) -> Bounds:
    """Return the bounds of the inputs: those given, else 0 and 1, where the images lie between them.

    A trigger is looked for between the bounds. Where images go beyond them, or use little of them, the search
    looks among other images than the module's, and what it finds says nothing.

    Args:
        images: shape (n, channels, height, width), or None without data; only finite values are looked at.
        bounds: smallest and largest value of an input, or None.

    Raises:
        ValueError: bounds that cannot be, or images that are not theirs, with the range that was observed.
    """
    low, high = bounds = UNIT if bounds is None else bounds
    check_bounds(bounds)
    numbers = None if images is None else images[torch.isfinite(images)].double()
    if numbers is None or not len(numbers):
        return bounds
    least, most = float(numbers.min()), float(numbers.max())
    room = 1e-6 * (high - low)
    got = (
        f"got values from {least:g} to {most:g}; "
        "say bounds=(low, high), the smallest and largest value that an input can have"
    )
    if least < low - room or most > high + room:
        raise ValueError(f"expected images between {low:g} and {high:g}, {got}")
    if most - least < _LEAST_USED * (high - low):
        raise ValueError(f"expected images that use the bounds {low:g} to {high:g}, {got}")
    return bounds
