"""What stealing returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from divulge.html import ShownAsTable
from divulge.surrogate.losses import Weights

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

AGREEMENT, EXPLAINED = "agreement", "explained variance"


@dataclass(frozen=True)
class Stolen(ShownAsTable):
    """A copy learned from answers.

    Attributes:
        module: the copy, inputs of shape (n, *input_shape), outputs of shape (n, K); in evaluation mode.
        leak_curve: a row for each number of queries, with the columns queries, agreement, accuracy,
            gradient_cosine, solved (found in closed form), bits_held and bits_told where they were asked for,
            victim_seconds (spent in the victim, for all queries up to here) and seconds (spent on this row,
            the new queries' answers included). Of numbers agreement is the share of the variance of the
            victim's that the copy explains, R^2, and accuracy that of the targets'.
        queries: how many were asked.
        kind: the kind of answers.
        solved: whether the copy was solved for and not trained.
        weights: of the loss's terms in the last training.
        seed: of every random choice.
        measure: what agreement is: "agreement" of classes, or "explained variance" of numbers.
    """

    module: nn.Module
    leak_curve: pd.DataFrame
    queries: int
    kind: str
    solved: bool
    weights: Weights
    seed: int
    measure: str = AGREEMENT

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the leak curve."""
        return self.leak_curve.copy()

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the curve."""
        return {
            "from": f"{self.kind} answers",
            "queries": self.queries,
            "solved": self.solved,
            "seed": self.seed,
        }

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw agreement against queries, into `ax` where one is given, and return the Axes."""
        from divulge.surrogate.figures import plot_leaks

        return plot_leaks({self.kind: self.leak_curve}, measure=self.measure, ax=ax)
