"""What a report holds: the table, the curves behind it, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from divulge.files import replacing
from divulge.html import ShownAsTable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class LeakReport(ShownAsTable):
    """What each explanation gives away.

    Attributes:
        table: a row for each explanation and defence, with the columns explanation, defence, queries_90,
            queries_95, queries_99 (interpolated on a logarithmic scale, or those of the attack where they are
            fewer; NaN where neither reaches so far), exact (queries of an exact reconstruction; NaN where
            none was reached), best (the largest agreement, of copies that learn or the attack),
            rank_correlation (of the told with the true explanation, as an honest user sees it; NaN without
            explanations), risk (critical, high, medium or low, by the rule that `summary` ends with), epsilon
            (spent by as many answers as the largest budget behind `Private`; NaN otherwise), cost_90,
            cost_95, cost_99, cost_exact (money for the queries; NaN where they have no price), attack (what
            was tried beside copies that learn, and what kept it from being exact; "" where none fits),
            measure ("agreement", or of numbers that are predicted "explained variance"). Of
            several seeds the medians; one that did not reach so far counts as infinite, and of two in the
            middle best is the lower one's.
        curves: the leak curves of copies that learn, without the attack, with the columns explanation and
            defence before those of `Stolen`.
        victim: a line on the victim.
        seed: of every random choice; the first of several.
        left_out: explanations that the model cannot give, each with the reason, a sentence.
        runs: a row for each seed, explanation and defence: what the table has the medians of.
    """

    table: pd.DataFrame
    curves: pd.DataFrame
    victim: str
    seed: int
    left_out: tuple[str, ...] = ()
    runs: pd.DataFrame | None = None

    @property
    def measure(self) -> str:
        """What copies are measured by: "agreement" or "explained variance"."""
        return str(self.table["measure"].iloc[0])

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        return {"of": self.victim, "seed": self.seed}

    def _remarks(self) -> list[str]:
        """Return what is shown beneath the table."""
        return self.summary()

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the leak curves, one for each explanation behind each defence, and return the Axes."""
        from divulge.surrogate.figures import plot_leaks

        groups = self.curves.groupby(["explanation", "defence"], sort=False)
        lines = {", ".join(pair): curve for pair, curve in groups}
        return plot_leaks(lines, self.victim, measure=self.measure, ax=ax)

    def plot_leaked(self, *, ax: Axes | None = None) -> Axes:
        """Draw the share of the model's bits that copies tell, with `bits=`, and return the Axes."""
        from divulge.surrogate.figures import plot_leaked

        groups = self.curves.groupby(["explanation", "defence"], sort=False)
        return plot_leaked({", ".join(pair): curve for pair, curve in groups}, self.victim, ax=ax)

    def summary(self) -> list[str]:
        """Return what the table says, in plain sentences."""
        from divulge.report.verdict import recommendation, rule
        from divulge.report.words import sentences, tried

        said = [recommendation(self.table), *sentences(self.table), *tried(self.table)]
        said += [f"Left out: {reason}." for reason in self.left_out]
        return [*said, f"{rule(self.table)}."]

    def html(self) -> str:
        """Return the page: one file without scripts that needs nothing from anywhere else."""
        from divulge.report.page import page

        return page(self)

    def save(self, path: str | Path) -> None:
        """Write the page to a file.

        Raises:
            OSError: it cannot be written.
        """
        with replacing(path) as file:
            file.write(self.html().encode())
