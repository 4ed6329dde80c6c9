"""What was measured, seed by seed, and the medians of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.report.attacks import Attacked
from divulge.report.verdict import risk
from divulge.surrogate.stolen import AGREEMENT

if TYPE_CHECKING:
    import pandas as pd

AGREEMENTS = (0.90, 0.95, 0.99)
REACHED = tuple(f"queries_{round(100 * level)}" for level in AGREEMENTS)
COUNTS = (*REACHED, "exact")
COSTS = (*(f"cost_{round(100 * level)}" for level in AGREEMENTS), "cost_exact")
COLUMNS = (
    *("explanation", "defence", *COUNTS, "best", "rank_correlation", "risk", "epsilon", *COSTS, "attack"),
    "measure",
)


@dataclass(frozen=True)
class Curve:
    """The leak curve of one explanation behind one defence, with one seed."""

    explanation: str
    defence: str
    leak_curve: pd.DataFrame
    attacked: Attacked
    rank_correlation: float
    price: float | None
    epsilon: float = float("nan")
    measure: str = AGREEMENT

    def row(self) -> dict[str, Any]:
        """Return what the table has medians of: the better of the copies that learn and of the attack."""
        reached = {
            name: float(np.fmin(queries_until(self.leak_curve, level), self.attacked.until(level)))
            for name, level in zip(REACHED, AGREEMENTS, strict=True)
        }
        exact = self.attacked.queries if self.attacked.exact else float("nan")
        best = float(np.fmax(self.leak_curve["agreement"].max(), self.attacked.agreement))
        told = {"best": best, "rank_correlation": self.rank_correlation, "attack": self.attacked.words()}
        return {**reached, "exact": exact, **told}


@dataclass
class Runs:
    """All curves so far.

    Attributes:
        order: in which pairs are measured; tables have them in rising order.
        price: money for one query, before what a ledger says.
        curves: by pair and seed.
    """

    order: Sequence[int]
    price: float | None
    curves: dict[tuple[int, int], Curve] = field(default_factory=dict)

    def add(self, pair: int, seed: int, curve: Curve) -> None:
        """Keep one more."""
        self.curves[pair, seed] = curve

    def of(self, pair: int) -> list[Curve]:
        """Return the curves of one pair, seed by seed."""
        return [curve for (place, _), curve in sorted(self.curves.items()) if place == pair]

    def pairs(self) -> list[int]:
        """Return the pairs that were measured, in the table's order."""
        return sorted({pair for pair, _ in self.curves})


def summarised(runs: Runs) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table and the curves, medians over seeds."""
    import pandas as pd

    rows, curves = [], []
    for pair in runs.pairs():
        own = runs.of(pair)
        first = own[0]
        row: dict[str, Any] = {"explanation": first.explanation, "defence": first.defence}
        told = [curve.row() for curve in own]
        row |= {name: median([each[name] for each in told]) for name in COUNTS}
        # of two in the middle the lower one, as what one of them did not reach counts as not reached
        row["best"] = float(np.quantile([each["best"] for each in told], 0.5, method="lower"))
        row["rank_correlation"] = float(np.median([each["rank_correlation"] for each in told]))
        price = first.price if runs.price is None else runs.price
        row["risk"] = risk(row)
        row["epsilon"] = first.epsilon
        row |= {
            cost: float("nan") if price is None else price * row[count]
            for cost, count in zip(COSTS, COUNTS, strict=True)
        }
        row["measure"] = first.measure
        row["attack"] = "; ".join(dict.fromkeys(each["attack"] for each in told))  # of seeds that differ
        rows.append(row)
        joined = pd.concat([curve.leak_curve for curve in own])
        middle = first.leak_curve if len(own) == 1 else joined.groupby("queries", as_index=False).median()
        middle = middle.copy()
        for place, column in enumerate(("explanation", "defence")):
            middle.insert(place, column, row[column])
        curves.append(middle)
    return pd.DataFrame(rows)[list(COLUMNS)], pd.concat(curves, ignore_index=True)


def frame_of(runs: Runs) -> pd.DataFrame:
    """Return a row for each pair and seed."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"explanation": curve.explanation, "defence": curve.defence, "seed": seed, **curve.row()}
            for (_, seed), curve in sorted(runs.curves.items())
        ]
    )


def median(numbers: Sequence[float]) -> float:
    """The median of queries, of which NaN means not reached; NaN where half of the seeds or more did not."""
    found = float(np.median(np.where(np.isnan(numbers), np.inf, numbers)))
    return found if np.isfinite(found) else float("nan")


def queries_until(curve: pd.DataFrame, level: float) -> float:
    """Return the queries at which a leak curve reaches an agreement, NaN where it does not.

    Between two budgets the agreement is taken to grow evenly with the logarithm of the queries.
    """
    queries = np.log(curve["queries"].to_numpy(float))
    agreement = curve["agreement"].to_numpy(float)
    above = np.flatnonzero(agreement >= level)
    if not len(above):
        return float("nan")
    i = int(above[0])
    if i == 0:
        return float(np.exp(queries[0]))
    share = (level - agreement[i - 1]) / (agreement[i] - agreement[i - 1])
    return float(np.exp(queries[i - 1] + share * (queries[i] - queries[i - 1])))
