"""Whether the rounds of a search still bring anything."""

from __future__ import annotations

import numpy as np

from divulge.reconstruction.settings import WIDE_SEARCH


class Progress:
    """Rounds in which nothing was won: no equation, and no smaller share of wrong answers than ever before.

    Attributes:
        equations: about units, after the last round.
        least: share of answers that were wrong, in the best round.
        vain: rounds in a row in which nothing was won.
    """

    def __init__(self) -> None:
        self.equations, self.least, self.vain = 0, np.inf, 0

    def goes_on(self, equations: int, wrong_share: float) -> bool:
        """Take in a round; return whether the next one is worth its queries."""
        won = equations > self.equations or wrong_share < self.least
        self.vain = 0 if won else self.vain + 1
        self.equations, self.least = equations, min(wrong_share, self.least)
        return self.vain < WIDE_SEARCH.stuck
