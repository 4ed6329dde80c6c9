"""What `additive` returns: shapes, fidelity, and what is not additive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.datasets.columns import Column
from divulge.explanations.asked import Asked
from divulge.explanations.rows import Rows, entries_of
from divulge.explanations.students import Student
from divulge.explanations.terms import Terms
from divulge.html import ShownAsTable

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

LEVEL = (2.5, 97.5)
DRAWS = 1000  # of the rows that fidelity is measured on, for its interval


@dataclass(frozen=True)
class Additive(ShownAsTable):
    """An additive explanation of a whole model.

    Attributes:
        base: b, the mean of F over the data.
        shapes: a row for each column's number on its grid: column, value (a word where it has words), effect
            h_j, and the ends low and high of its 95% interval over bootstraps (NaN without).
        fidelity: the share of the variance of the model's values that F explains, on rows held out.
        fidelity_interval: its 95% interval over draws of these rows.
        rmse: of F to the model there.
        not_additive: the share that no sum of functions of single columns explains: 1 - the fidelity of the
            student without pairs.
        not_additive_interval: its 95% interval.
        agreement: how often F and the model decide alike whether a row is of the output's class; NaN where
            there is no class.
        accuracy: how often F decides right; NaN where the classes are not known.
        columns: of the table.
        terms: b, h_j and h_jk on grids.
        student: what was fitted, with `predict`.
        name: of the student.
        scale: of the model's output that was explained.
        seed: of every random choice.
        notes: what to bear in mind.
    """

    base: float
    shapes: pd.DataFrame
    fidelity: float
    fidelity_interval: tuple[float, float]
    rmse: float
    not_additive: float
    not_additive_interval: tuple[float, float]
    agreement: float
    accuracy: float
    columns: tuple[Column, ...]
    terms: Terms
    student: Student
    name: str
    scale: str
    seed: int
    notes: tuple[str, ...]
    _asked: Asked = field(repr=False)
    _rows: Rows = field(repr=False)
    _held: tuple[Array, Array] = field(repr=False)

    @staticmethod
    def of(
        *,
        student: Student,
        plain: Student,
        name: str,
        terms: Terms,
        again: Sequence[Terms],
        wanted: int,
        asked: Asked,
        rows: Rows,
        held: tuple[Array, Array, Index],
        seed: int,
        complete: bool,
    ) -> Additive:
        """Measure a student on rows held out (x (m, d), values (m,), places (m,) among the test rows)."""
        x, y, kept = held
        told = student.predict(x)
        fidelity, between = explained(y, told, seed)
        alone, within = (fidelity, between) if plain is student else explained(y, plain.predict(x), seed)
        agreement, accuracy = _decisions(asked, rows, y, told, kept)
        notes = [] if complete else [f"interrupted: {len(again)} of {wanted} refits were made"]
        if fidelity < 0.9:
            notes.append(
                f"the additive model misses {1 - fidelity:.0%} of the variance: do not take its shapes for "
                "the model's"
            )
        return Additive(
            base=terms.base,
            shapes=_shapes(rows, terms, again),
            fidelity=fidelity,
            fidelity_interval=between,
            rmse=float(np.sqrt(np.mean((y - told) ** 2))),
            not_additive=1 - alone,
            not_additive_interval=(1 - within[1], 1 - within[0]),
            agreement=agreement,
            accuracy=accuracy,
            columns=rows.columns,
            terms=terms,
            student=student,
            name=name,
            scale=asked.scale,
            seed=seed,
            notes=tuple(notes),
            _asked=asked,
            _rows=rows,
            _held=(x, y),
        )

    def predict(self, points: Any) -> Array:
        """Return F (n,) at points: a DataFrame with the columns, or numbers (n, d).

        Raises:
            ValueError: a column is missing, or an entry is of no known category.
        """
        return self.student.predict(self._rows.points(points))

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each term: its columns, its share of the model's variance, its least and greatest.

        The share is the covariance with the model's values over their variance, so that all add up to about
        the fidelity.
        """
        import pandas as pd

        x, y = self._held
        parts = self.terms.parts(x)
        shares = (parts - parts.mean(axis=0)).T @ (y - y.mean()) / (len(y) * y.var())
        names = [str(name) for name in self._rows.names]
        names += [" x ".join(names[j] for j in pair.columns) for pair in self.terms.pairs]
        effects = [*self.terms.mains, *(pair.effects for pair in self.terms.pairs)]
        table = pd.DataFrame(
            {
                "term": names,
                "share": shares,
                "low": [float(part.min()) for part in effects],
                "high": [float(part.max()) for part in effects],
            }
        )
        return table.sort_values("share", ascending=False, kind="stable", ignore_index=True)

    def compared(self, points: int = 200) -> pd.DataFrame:
        """Return other methods' shapes beside the student's: see `divulge.explanations.shapes.compared`."""
        from divulge.explanations.shapes import compared

        return compared(self._asked, self._rows, self.terms, self._held, points=points, seed=self.seed)

    def leak_curve(self) -> pd.DataFrame:
        """Return how far the shapes alone are a copy of the model: `divulge.explanations.leaks.shapes_leak`.

        Columns numbers (told in all), agreement and fidelity, on the rows held out.
        """
        from divulge.explanations.leaks import shapes_leak

        return shapes_leak(self.terms, *self._held, self._asked.threshold, self.columns)

    def plot(self, most: int = 9) -> NDArray[Any]:
        """Draw the shapes of the columns that explain most and the pairs, and return their Axes."""
        from divulge.explanations.figures import plot_shapes

        return plot_shapes(self, most)

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        low, high = self.not_additive_interval
        return {
            "fidelity": f"{self.fidelity:.4f}",
            "rmse": f"{self.rmse:.4g}",
            "not additive": f"{self.not_additive:.4f} ({low:.4f} to {high:.4f})",
            "agreement": self.agreement,
            "student": self.name,
            "scale": self.scale,
        }


def explained(y: Array, told: Array, seed: int) -> tuple[float, tuple[float, float]]:
    """Return the share of the variance of y (m,) that told (m,) explains, with a 95% interval over rows."""
    rng = np.random.default_rng([seed, 5])
    errors = (y - told) ** 2
    draws = rng.integers(len(y), size=(DRAWS, len(y))) if len(y) > 1 else np.zeros((1, 1), np.intp)
    spread = y[draws].var(axis=1)
    shares = 1 - errors[draws].mean(axis=1)[spread > 0] / spread[spread > 0]
    low, high = np.percentile(shares, LEVEL) if len(shares) else (np.nan, np.nan)
    return float(1 - errors.mean() / y.var()), (float(low), float(high))


def _decisions(asked: Asked, rows: Rows, y: Array, told: Array, kept: Index) -> tuple[float, float]:
    """How often student and model agree, and how often the student is right, about the output's class."""
    if np.isnan(asked.threshold) or (asked.scale == "value" and asked.victim is None):
        return np.nan, np.nan
    says = told > asked.threshold
    agreement = float((says == (y > asked.threshold)).mean())
    if rows.targets is None:
        return agreement, np.nan
    positive = 1 if asked.outputs == 1 else asked.output
    return agreement, float((says == (rows.targets[kept] == positive)).mean())


def _shapes(rows: Rows, terms: Terms, again: Sequence[Terms]) -> pd.DataFrame:
    """All columns' shapes, one below the other."""
    import pandas as pd

    parts = []
    for j, column in enumerate(rows.columns):
        low = high = np.full(len(terms.grids[j]), np.nan)
        if again:
            low, high = np.percentile([other.mains[j] for other in again], LEVEL, axis=0)
        values = np.empty(len(terms.grids[j]), object)
        values[:] = list(entries_of(column, terms.grids[j]))
        parts.append(
            pd.DataFrame(
                {"column": column.name, "value": values, "effect": terms.mains[j], "low": low, "high": high}
            )
        )
    return pd.concat(parts, ignore_index=True)
