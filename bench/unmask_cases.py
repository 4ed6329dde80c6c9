"""What the benchmarks of unmasking run: images of which a tenth of the pixels is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from divulge import _core
from divulge.reference.unmask import unmask as reference_unmask
from engine_cases import Case


def unmasked(n: int, channels: int, side: int, baseline_rows: int, hold: bool = False) -> Case:
    """Keep a tenth of the pixels of n images; the baseline, image by image in NumPy, takes some of them.

    To hold an answer until the next one is there means that each gets new memory.
    """
    rng = np.random.default_rng(0)
    pixels = side * side
    inputs = rng.random((n, channels * pixels), np.float32)
    attribution = rng.standard_normal(inputs.shape, np.float32)
    fill = np.zeros(channels * pixels, np.float32)
    rule = (round(0.1 * pixels), True, channels, 0)

    def check(native: Any, baseline: Any) -> None:
        np.testing.assert_array_equal(native[:baseline_rows], baseline)

    held = []

    def native() -> Any:
        answer = _core.unmask(inputs, attribution, fill, *rule)
        held[:] = [answer] * hold
        return answer

    return Case(
        native,
        lambda: reference_unmask(inputs[:baseline_rows], attribution[:baseline_rows], fill, *rule),
        check,
        scale=n / baseline_rows,
        note=f"equal values ranked by the seed; NumPy image by image on {baseline_rows}, scaled",
    )


CASES: dict[str, Callable[[], Case]] = {
    "unmask_60000_28x28": lambda: unmasked(60_000, 1, 28, 2_000),
    "unmask_10000_3x32x32": lambda: unmasked(10_000, 3, 32, 1_000),
    "unmask_10000_3x32x32_new_memory": lambda: unmasked(10_000, 3, 32, 1_000, hold=True),
}
