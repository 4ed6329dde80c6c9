"""Where between two neighbouring numbers of data models put their thresholds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Pair = tuple[float, float]


class UsualCuts:
    """Counts where thresholds were found, so that the next ones are looked for at the most usual place first.

    A threshold lies between two neighbouring floats: right of the lower number of the data, left of the
    upper one, half-way between both, or one float beside that: libraries round half-ways either way, and some
    step on to the next float.
    """

    def __init__(self) -> None:
        # Beside data first, where one answer is enough: the place half-way takes two.
        self.counts = dict.fromkeys(("above", "below", "middle", "after", "before"), 0)

    def pairs(self, below: float, above: float, single: bool) -> Iterator[Pair]:
        """Yield pairs of neighbouring floats between two numbers, the most usual first."""
        cuts = _cuts(below, above, single)
        for kind in sorted(self.counts, key=self.counts.__getitem__, reverse=True):
            yield cuts[kind]

    def found(self, pair: Pair, below: float, above: float, single: bool) -> None:
        """Count a threshold that was found between two neighbouring floats."""
        for kind, cut in _cuts(below, above, single).items():
            if cut == pair:
                self.counts[kind] += 1
                return


def _cuts(below: float, above: float, single: bool) -> dict[str, Pair]:
    """The pairs of neighbouring floats where thresholds are usual."""
    kind = np.float32 if single else np.float64

    def beside(number: float, towards: float) -> float:
        return float(np.nextafter(kind(number), kind(towards)))

    half = below + (above - below) / 2
    middle = float(kind(half))
    if middle > half:  # x <= half holds of the float before it
        middle = beside(middle, -np.inf)
    after, before = beside(middle, np.inf), beside(middle, -np.inf)
    return {
        "above": (beside(above, -np.inf), float(above)),
        "below": (float(below), beside(below, np.inf)),
        "middle": (middle, after),
        "after": (after, beside(after, np.inf)),
        "before": (before, middle),
    }
