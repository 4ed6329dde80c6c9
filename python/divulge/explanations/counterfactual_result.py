"""What `counterfactuals` returns: a front of changed rows for each point."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.arrays import Array, Mask
from divulge.datasets.columns import Column
from divulge.explanations.archive import Archive, Front, undominated
from divulge.explanations.gower import SAME
from divulge.explanations.hypervolume import hypervolume
from divulge.explanations.rows import Rows
from divulge.explanations.wanted import OBJECTIVES, Wanted
from divulge.html import ShownAsTable

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

HEAD = ("point", "valid", "prediction", *OBJECTIVES)
_NAMED = 5  # points that a note lists


@dataclass(frozen=True)
class Counterfactuals(ShownAsTable):
    """Changed rows of which the model says what is wanted.

    Attributes:
        fronts: a front for each point: of all candidates looked at those that no other one dominates in miss,
            distance, changes and distance from the data; those that miss the interval too.
        points: that were changed, shape (P, d).
        columns: of the table.
        target: the wanted interval.
        reached: for which points a row in the interval was found, shape (P,).
        history: each generation's objectives, shape (generations + 1, P, n, 4), float32.
        calls: how often the model was called.
        asked: about how many rows in all.
        seed: of every random choice.
        complete: whether all generations were run.
        notes: what was not reached, and why.
    """

    fronts: tuple[Front, ...]
    points: Array
    columns: tuple[Column, ...]
    target: tuple[float, float]
    reached: Mask
    history: Array
    calls: int
    asked: int
    seed: int
    complete: bool
    notes: tuple[str, ...]
    _rows: Rows = field(repr=False)
    _wanted: Wanted = field(repr=False)

    @staticmethod
    def of(
        wanted: Wanted, rows: Rows, archive: Archive, history: Array, seed: int, complete: bool
    ) -> Counterfactuals:
        """Take the fronts, and say what they lack."""
        fronts = archive.fronts()
        reached = np.array([bool((front.objectives[:, 0] == 0).any()) for front in fronts])
        notes = [] if complete else [f"interrupted after {len(history) - 1} generations"]
        if not reached.all():
            notes.append(_unreached(wanted, fronts, reached))
        already = wanted.miss(wanted.predictions(wanted.x)) == 0
        if already.any():
            notes.append(f"{int(already.sum())} of {len(already)} points are in the interval as they are")
        return Counterfactuals(
            fronts=tuple(fronts),
            points=wanted.x,
            columns=wanted.columns,
            target=wanted.target,
            reached=reached,
            history=history,
            calls=wanted.asked.calls,
            asked=wanted.asked.points,
            seed=seed,
            complete=complete,
            notes=tuple(notes),
            _rows=rows,
            _wanted=wanted,
        )

    def to_frame(self, *, misses: bool = False) -> pd.DataFrame:
        """Return a row for each counterfactual: its point, whether it is valid, objectives, then its entries.

        A column of the table that has one of these names is called "NAME (column)".

        Args:
            misses: whether those that miss the interval are there too; where a point has no other, the
                nearest is always there.
        """
        places = [self._shown(front, misses) for front in self.fronts]
        return self._frame(places)

    def best(self) -> pd.DataFrame:
        """Return one row for each point: of those that miss least one with fewest changes, the nearest."""
        return self._frame([np.zeros(1, np.intp) for _ in self.fronts])

    def nearest_rows(self) -> pd.DataFrame:
        """Return, for each point, the nearest training row in the interval, to compare with.

        Without a row where no training row is in it.
        """
        from divulge.explanations.wanted import nearest_wanted

        found = nearest_wanted(self._wanted)
        if found is None:
            return self._table(np.zeros(0, np.intp), [])
        predictions = self._wanted.predictions(found)
        objectives = self._wanted.objectives(found[:, None], predictions[:, None])[:, 0]
        return self._table(np.arange(len(found)), [Front(found, predictions, objectives)])

    def reference(self) -> Array:
        """Return the corner (P, 4) that hypervolumes are measured from.

        The point's own miss, 1, the number of columns that may change and 1; where the point is in the
        interval already, 1 for the first.
        """
        own = self._wanted.miss(self._wanted.predictions(self.points))
        corner = np.ones((len(own), len(OBJECTIVES)))
        corner[:, 0] = np.where(own > 0, own, 1.0)
        corner[:, 2] = float(self._wanted.free.sum())
        return corner

    def hypervolumes(self, every: int = 5) -> pd.DataFrame:
        """Return how the front grew: generation, and its mean share of the corner's volume.

        Of the generations' candidates: without the single-column ones that `fronts` hold, too.

        Args:
            every: generations between two rows.

        Raises:
            ValueError: less than one.
        """
        import pandas as pd

        if every < 1:
            raise ValueError(f"expected every of at least 1, got {every}")
        corner = self.reference()
        steps = sorted({*range(0, len(self.history), every), len(self.history) - 1})
        shares = np.zeros((len(steps), len(corner)))
        for point in range(len(corner)):
            known = np.zeros((0, len(OBJECTIVES)))
            before = 0
            for place, step in enumerate(steps):
                new = self.history[before : step + 1, point].reshape(-1, len(OBJECTIVES)).astype(np.float64)
                joined = np.concatenate([known, new])
                known, before = joined[undominated(joined)], step + 1
                shares[place, point] = hypervolume(known, corner[point]) / corner[point].prod()
        return pd.DataFrame({"generation": steps, "hypervolume": shares.mean(axis=1)})

    def changed(self) -> pd.DataFrame:
        """Return how often each column is changed in the valid counterfactuals: column, share."""
        import pandas as pd

        counts, total = np.zeros(len(self.columns)), 0
        for point, front in enumerate(self.fronts):
            valid = front.rows[front.objectives[:, 0] == 0]
            apart = self._wanted.gower.differences(valid, self.points[point])
            counts += (apart > SAME).sum(axis=0)
            total += len(valid)
        names = [column.name for column in self.columns]
        return pd.DataFrame({"column": names, "share": counts / max(1, total)})

    def plot(self, point: int = 0) -> NDArray[Any]:
        """Draw a point's counterfactuals and how often each column is changed; return both Axes."""
        from divulge.explanations.figures import plot_counterfactuals

        return plot_counterfactuals(self, point)

    def _shown(self, front: Front, misses: bool) -> Any:
        """The places of a front's rows that are shown."""
        if misses:
            return np.arange(len(front.rows))
        valid = np.flatnonzero(front.objectives[:, 0] == 0)
        return valid if len(valid) else np.zeros(1, np.intp)

    def _frame(self, places: list[Any]) -> pd.DataFrame:
        chosen = [front.at(at) for front, at in zip(self.fronts, places, strict=True)]
        return self._table(np.repeat(np.arange(len(chosen)), [len(at) for at in places]), chosen)

    def _table(self, points: Any, fronts: list[Front]) -> pd.DataFrame:
        """Rows for fronts whose points are given, shape (rows in all,)."""
        import pandas as pd

        d = len(self.columns)
        empty = Front(np.zeros((0, d)), np.zeros(0), np.zeros((0, len(OBJECTIVES))))
        parts = [empty, *fronts]
        rows, predictions, objectives = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("rows", "predictions", "objectives")
        )
        head: dict[str, Any] = {"point": points, "valid": objectives[:, 0] == 0, "prediction": predictions}
        head |= {name: objectives[:, i] for i, name in enumerate(OBJECTIVES)}
        head["changes"] = head["changes"].astype(np.int64)
        entries = self._rows.frame(rows)
        entries.columns = pd.Index(
            [f"{name} (column)" if name in HEAD else name for name in entries.columns], dtype=object
        )
        return pd.concat([pd.DataFrame(head), entries], axis=1)

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        low, high = self.target
        return {
            "target": f"{low:g} to {high:g}",
            "reached": f"{int(self.reached.sum())} of {len(self.reached)} points",
            "calls": self.calls,
            "rows asked about": self.asked,
            "seed": self.seed,
        }


def _unreached(wanted: Wanted, fronts: list[Front], reached: Mask) -> str:
    """Say for which points nothing reaches the interval, and how near the nearest comes."""
    left = np.flatnonzero(~reached)
    named = ", ".join(map(str, left[:_NAMED])) + (
        f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    )
    nearest = min(float(fronts[point].objectives[0, 0]) for point in left)
    low, high = wanted.target
    return (
        f"no candidate reaches the interval {low:g} to {high:g} from point {named}: the nearest is shown, "
        f"which misses it by {nearest:.4g} or more"
    )
