"""Distil a model into an additive one, and say what is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from divulge.arrays import Array, Index
from divulge.conventions import OnProgress
from divulge.explanations.additive_result import Additive
from divulge.explanations.asked import Asked, Scale
from divulge.explanations.rows import Rows, as_rows
from divulge.explanations.students import STUDENTS, Student
from divulge.explanations.terms import Terms, grids_of, read_terms
from divulge.oracles.ledger import whole

MOST_ROWS = 5000  # that a student is fitted on
REFITS = 20
LEVEL = (2.5, 97.5)  # percentiles of the intervals
BINS = 6  # of a column, where pairs are looked for


def additive(
    predict: Any,
    data: Any,
    *,
    output: int | None = None,
    scale: Scale | None = None,
    student: str = "splines",
    pairs: int | Sequence[tuple[Any, Any]] = 0,
    refits: int = REFITS,
    most_rows: int = MOST_ROWS,
    kinds: Mapping[Any, str] | None = None,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> Additive:
    """Explain a model as a whole by an additive one that learned its values.

    F(x) = b + sum_j h_j(x_j) + sum_jk h_jk(x_j, x_k), the sum over pairs only where they are asked for, is
    fitted to what the model says of the data's rows. Every h has mean 0 over them. Fidelity, the share of
    the variance of the model's values that F explains, is measured on rows that nothing was fitted on.

    Args:
        predict: a function of points (n, d) that returns (n,) or (n, K), a Victim, a torch module or a fitted
            estimator.
        data: a data set (fitted on its training part, measured on its test part), a DataFrame of inputs, or
            an array (n, d); of the last two a fifth of the rows is kept for measuring.
        output: which of K outputs; None: the only one, of two the second.
        scale: "value", "probability" or "log_odds" of the output; None: log-odds of a victim that names
            classes (of probabilities kept within [.001, .999]), else the value as it is told.
        student: "splines", "trees" (boosted trees on single columns) or "ebm" (needs the package interpret).
        pairs: how many pairs of columns to take, those that explain most of what is left, or which ones.
        refits: bootstraps of the rows, for 95% intervals; 0: no intervals.
        most_rows: the most rows that the student is fitted on, and the most it is measured on.
        kinds: of columns, as in `read_data`, where data are no data set.
        seed: of the split and the bootstraps.
        progress: called with the fits done and the number of all.

    Raises:
        ValueError: fewer than four rows, an option that cannot be, or values that are the same for all rows.
        TypeError: predict or data are of no known kind.
        OracleError: the model failed, or answered with NaN or another shape.
        ImportError: `student="ebm"` without interpret.

    Source:
        S. Tan, R. Caruana, G. Hooker, P. Koch, A. Gordo, "Learning Global Additive Explanations for Neural
        Nets Using Model Distillation", 2018, arXiv 1801.08640.
    """
    whole("seed", seed), whole("refits", refits)
    if student not in STUDENTS:
        raise ValueError(f"expected a student {', '.join(STUDENTS)}, got {student!r}")
    if whole("most_rows", most_rows) < 4:
        raise ValueError(f"expected most_rows of at least 4, got {most_rows}")
    rows = as_rows(data, kinds=kinds, seed=seed)
    asked = Asked(predict, rows, data, output=output, scale=scale, usual="log_odds")
    task = _Task.of(asked, rows, most_rows, seed)
    made = _Distillation(asked, rows, task, STUDENTS[student], student, seed, progress)
    with threadpool_limits(limits=1, user_api="blas"):  # whose sums depend on the number of threads
        return made.run(pairs, refits)


@dataclass(frozen=True)
class _Task:
    """Rows with the teacher's values: x (n, d), y (n,) to fit on, held_x and held_y to measure on."""

    x: Array
    y: Array
    held_x: Array
    held_y: Array
    kept: Index  # the places (m,) of the latter among the test rows

    @staticmethod
    def of(asked: Asked, rows: Rows, most: int, seed: int) -> _Task:
        """Ask about the rows, or so many drawn."""
        rng = np.random.default_rng([seed, 3])
        x = rows.train if len(rows.train) <= most else rows.train[_drawn(rng, len(rows.train), most)]
        kept = np.arange(len(rows.test)) if len(rows.test) <= most else _drawn(rng, len(rows.test), most)
        y, held = asked(x), asked(rows.test[kept])
        for part, values in (("fit", y), ("measure", held)):
            if not np.ptp(values) > 1e-12 * max(1.0, float(np.abs(values).max())):
                raise ValueError(
                    f"the model says {values[0]:g} of all {len(values)} rows to {part} on: nothing varies"
                )
        return _Task(x, y, rows.test[kept], held, kept)


def _drawn(rng: np.random.Generator, n: int, most: int) -> Any:
    return np.sort(rng.choice(n, most, replace=False))


@dataclass
class _Distillation:
    """One run: the student fitted, fitted again on bootstraps, and its terms read off."""

    asked: Asked
    rows: Rows
    task: _Task
    make: type[Student]
    name: str
    seed: int
    progress: OnProgress | None

    def run(self, pairs: int | Sequence[tuple[Any, Any]], refits: int) -> Additive:
        """Fit, look for pairs, and refit."""
        plain = self._fitted(())
        self._note(1, refits + 1)
        chosen = self._pairs(pairs, plain)
        student = self._fitted(chosen) if chosen else plain
        grids = grids_of(self.task.x, self.rows.columns)
        terms = read_terms(student.predict, self.task.x, grids, chosen, self.rows.columns)
        again, complete = self._bootstraps(student, grids, chosen, refits)
        return Additive.of(
            student=student,
            plain=plain,
            name=self.name,
            terms=terms,
            again=again,
            wanted=refits,
            asked=self.asked,
            rows=self.rows,
            held=(self.task.held_x, self.task.held_y, self.task.kept),
            seed=self.seed,
            complete=complete,
        )

    def _fitted(self, pairs: Sequence[tuple[int, int]]) -> Student:
        return self.make(self.rows.columns, pairs, seed=self.seed).fit(self.task.x, self.task.y)

    def _note(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(done, total)

    def _bootstraps(
        self, student: Student, grids: Sequence[Array], pairs: Sequence[tuple[int, int]], refits: int
    ) -> tuple[list[Terms], bool]:
        """Terms of students of bootstraps, and whether all were made; Ctrl-C ends it with those that are."""
        made: list[Terms] = []
        x, y = self.task.x, self.task.y
        try:
            for part in range(refits):
                draw = np.random.default_rng([self.seed, 4, part]).integers(len(x), size=len(x))
                twin = student.again(x, y, draw, part)
                made.append(read_terms(twin.predict, x, grids, pairs, self.rows.columns))
                self._note(part + 2, refits + 1)
        except KeyboardInterrupt:
            return made, False
        return made, True

    def _pairs(self, wanted: int | Sequence[tuple[Any, Any]], plain: Student) -> list[tuple[int, int]]:
        """The places of the pairs: as named, or those that explain most of what the student leaves."""
        if isinstance(wanted, (int, Integral)):
            d = len(self.rows.columns)
            if (count := whole("pairs", int(wanted))) > d * (d - 1) // 2:
                raise ValueError(f"expected at most {d * (d - 1) // 2} pairs of {d} columns, got {wanted}")
            return strongest_pairs(self.task.x, self.task.y - plain.predict(self.task.x), count)
        named = []
        for pair in wanted:
            if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]:
                raise ValueError(f"expected pairs of two columns, got {pair!r}")
            j, k = sorted((self.rows.place(pair[0]), self.rows.place(pair[1])))
            named.append((j, k))
        return sorted(set(named))


def strongest_pairs(x: Array, left: Array, count: int) -> list[tuple[int, int]]:
    """Return the places of the pairs of columns that explain most of what is left (n,) of rows (n, d).

    Each column is cut at quantiles into a few bins; a pair explains the variance between the cells of two,
    less what as many cells would explain by chance.
    """
    if not count:
        return []
    bins = [_binned(x[:, j]) for j in range(x.shape[1])]
    left = left - left.mean()
    noise = float(left.var())
    gains = {}
    for j in range(len(bins)):
        for k in range(j):
            cell = bins[j] * BINS + bins[k]
            count_in = np.bincount(cell, minlength=BINS * BINS)
            sums = np.bincount(cell, left, minlength=BINS * BINS)
            full = count_in > 0
            explained = float((sums[full] ** 2 / count_in[full]).sum()) / len(left)
            gains[k, j] = explained - noise * (int(full.sum()) - 1) / len(left)
    return sorted(sorted(gains, key=lambda pair: (-gains[pair], pair))[:count])


def _binned(entries: Array) -> Any:
    """The bin (n,) of each entry."""
    cuts = np.unique(np.quantile(entries, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.searchsorted(cuts, entries, side="right")
