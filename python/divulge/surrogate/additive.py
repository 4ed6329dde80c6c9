"""Additive models rebuilt from SHAP values: linear and logistic ones, boosted stumps, sums of curves."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from divulge.arrays import Array
from divulge.errors import BudgetExhausted, OracleError
from divulge.oracles import Oracle
from divulge.oracles.ledger import whole
from divulge.points import as_matrix
from divulge.surrogate.shap_session import DECIMALS, DOUBLE, Ranges, ShapSession, finite_rows, shap_session
from divulge.surrogate.shape import Shape
from divulge.surrogate.thresholds import BESIDE_MIDDLE
from divulge.surrogate.usual_cuts import UsualCuts

if TYPE_CHECKING:
    from divulge.datasets import Dataset
    from divulge.points import Points

GRID = 9  # inputs asked at first, evenly from low to high
FRESH = 4  # random inputs asked to check a copy: while jumps are bisected others are asked at random, too
ROWS = 10  # of the data asked at last, besides all numbers of columns that hold few
CHECKS = 2  # rounds of these without a surprise
SAME = 1e-7  # relative difference of equal SHAP values: those of float32 margins differ by rounding
MOST = 100_000  # answers, where no budget says fewer
MOST_ROUNDED = 2000  # answers, where SHAP values were rounded
MANY = 1000  # answers after which it is said that they may be of rounded values; stumps took 430 at most


@dataclass(frozen=True)
class AdditiveCopy:
    """f(x) = base + sum_i f_i(x_i), as SHAP values told it.

    Attributes:
        shapes: f_i less its mean over the background, for each number of an input.
        base: the mean of f over the background; NaN where no values are told with the explanations.
        output: which output of the model.
        queries: answers asked.
        complete: whether fresh answers are explained, and each f_i a constant, a line or exact steps.
        notes: sentences on what is left open.
        low, high: the box within which it was asked, shape (d,) each.
    """

    shapes: tuple[Shape, ...]
    base: float
    output: int
    queries: int
    complete: bool
    notes: tuple[str, ...]
    low: Array
    high: Array

    @property
    def thresholds(self) -> tuple[Array, ...]:
        """For each number of an input where f_i jumps: the first number right of each jump, rising."""
        return tuple(shape.thresholds()[1] for shape in self.shapes)

    def explain(self, points: Points) -> Array:
        """Return SHAP values (n, d) of points (n, d)."""
        x = as_matrix(points, len(self.shapes))
        return np.stack([shape(x[:, i]) for i, shape in enumerate(self.shapes)], axis=1)

    def values(self, points: Points) -> Array:
        """Return values f(x), shape (n,), of points (n, d)."""
        return np.asarray(self.base + self.explain(points).sum(axis=1))


def additive_copy(
    oracle: Oracle,
    data: Dataset | None = None,
    *,
    ranges: Ranges | None = None,
    output: int | None = None,
    single: bool = True,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> AdditiveCopy:
    """Rebuild an additive model from its SHAP values.

    The SHAP value of x_i in f(x) = base + sum_i f_i(x_i) is f_i(x_i) less its mean over the background: a
    function of x_i alone, whatever the background is. One answer so shows all f_i, at a place of each one's
    own. A linear f_i shows on a few places. Steps, as of boosted stumps, are bisected to neighbouring
    numbers, those of all f_i at once: some 30 answers a threshold of the f_i that has most.

    Args:
        oracle: tells SHAP values: `ShapOracle`, or a `LiveOracle` that tells "shap".
        data: whose training inputs' ranges are asked about. Thresholds are looked for at its numbers and
            half-way between two of them first, where models put them: a third of the answers.
        ranges: the box that is asked about, (low, high), numbers or shape (d,); by default the data's.
        output: which output; None for the oracle's own.
        single: whether the model reads its inputs in float32, as scikit-learn's and XGBoost's trees do:
            thresholds lie between neighbours of that precision; False for float64.
        seed: of random inputs.
        progress: called after each answer with the answers so far and the thresholds found.

    Returns:
        The copy. Where the budget ends, the oracle fails or the user interrupts, it holds what is known, with
        `complete` False and the reason in `notes`.

    Raises:
        TypeError: the oracle is none, or tells no SHAP values.
        ValueError: neither data nor ranges, or ranges that are empty, not finite, of another length or
            outside the oracle's domain; or an output that there is not, or of which it does not tell.

    Warns:
        RuntimeWarning: SHAP values seem to be rounded, which looks like steps: at most 2,000 answers are
            asked for then; or after 1,000 answers, as values rounded otherwise look so, too.
    """
    session = shap_session(oracle, data, ranges, output, single)
    hints = finite_rows(oracle, data)
    return _Search(session, np.random.default_rng(whole("a seed", seed)), progress, hints).run()


@dataclass
class _Search:
    """One search: the shapes so far, and what they cost."""

    session: ShapSession
    rng: np.random.Generator
    progress: Callable[[int, int], None] | None
    hints: Array | None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.low, self.high = self.session.low, self.session.high
        columns = [None] * len(self.low) if self.hints is None else self.hints.T
        usual = UsualCuts()
        self.shapes = [Shape(self.session.single, column, usual) for column in columns]
        self.warned = False
        self.most = MOST
        self.several = np.empty((0, 0))  # SHAP values told at once before the last jumps were bisected

    def run(self) -> AdditiveCopy:
        """Ask until everything is explained or nothing more can be asked."""
        explained = False
        try:
            explained = self.rounds()
        except (BudgetExhausted, OracleError) as error:
            self.notes.append(str(error))
        except KeyboardInterrupt:
            self.notes.append("interrupted by the user")
        curves = [i for i, shape in enumerate(self.shapes) if shape.curved]
        if curves:
            self.notes.append(f"numbers {curves} enter by curves, which are known at places and interpolated")
        if (off := self.session.off()) is not None:
            self.notes.append(off)
        self.notes += self.session.coarse()
        if not self.session.bases:
            self.notes.append("explanations alone do not show the mean: values are not known")
        return AdditiveCopy(
            tuple(self.shapes), self.session.base, self.session.output, self.session.queries,
            explained and not curves and off is None, tuple(self.notes), self.low, self.high,
        )  # fmt: skip

    def rounds(self) -> bool:
        """Ask a grid, bisect, check; return whether fresh answers are explained."""
        share = np.linspace(0.0, 1.0, GRID)[:, None]
        grid = (1 - share) * self.low + share * self.high
        self.ask(grid)
        if self.interacts(grid):
            return False
        while self.settled():
            points = self.of_data()
            if not len(points) or not self.surprised(points):
                return self.as_read()
            if self.interacts(points):
                break
        return False

    def settled(self) -> bool:
        """Bisect jumps until fresh answers are explained; return False where they cannot be."""
        quiet = 0
        while quiet < CHECKS:
            while any(shape.open() is not None for shape in self.shapes):
                if self.session.queries >= self.most:
                    self.notes.append(f"jumps remain open after {self.session.queries} answers")
                    return False
                self.look_rounded()
                self.warn()
                self.ask(np.array([[self._next(i) for i in range(len(self.shapes))]]))
            fresh = self.rng.uniform(self.low, self.high, (FRESH, len(self.low)))
            quiet = 0 if self.surprised(fresh) else quiet + 1
            if self.interacts(fresh):
                return False
        return True

    def of_data(self) -> Array:
        """Rows of the data (n, d), then ones with numbers not asked about of columns that hold few."""
        if self.hints is None:
            return np.empty((0, len(self.low)))
        few = {i: s.unasked(self.low[i], self.high[i]) for i, s in enumerate(self.shapes) if s.few}
        count = ROWS + max(map(len, few.values()), default=0)
        rows = self.hints[self.rng.integers(0, len(self.hints), count)]
        for i, numbers in few.items():
            rows[ROWS : ROWS + len(numbers), i] = numbers
        return np.clip(rows, self.low, self.high)

    def as_read(self) -> bool:
        """Ask between neighbours of float32 that are told apart; return whether the model rounds these."""
        steps = {i: found for i, s in enumerate(self.shapes) if len((found := s.thresholds())[0])}
        if not self.session.single or not steps:
            return True
        points = np.repeat(self.low[None], len(BESIDE_MIDDLE), axis=0)
        for i, (left, right) in steps.items():
            at = self.rng.integers(0, len(left))
            points[:, i] = left[at] + np.array(BESIDE_MIDDLE) * (right[at] - left[at])
        told, before = self.session.ask(points), self.explained(self.session.read(points))
        alike = bool((np.abs(told - before) <= self.allowed)[:, list(steps)].all())
        if not alike:
            self.notes.append(DOUBLE)
        return alike

    def explained(self, points: Array) -> Array:
        """SHAP values (n, d) that the shapes give points (n, d)."""
        return np.stack([shape(points[:, i]) for i, shape in enumerate(self.shapes)], axis=1)

    def look_rounded(self) -> None:
        """Say once, before jumps are bisected, that SHAP values were rounded, and ask fewer then."""
        told, self.several = self.several, np.empty((0, 0))
        if len(np.unique(told)) <= GRID:
            return
        fitting = [k for k in range(DECIMALS + 1) if np.array_equal(told, told.round(k))]
        if fitting:
            self.warned, self.most = True, MOST_ROUNDED
            warnings.warn(
                f"SHAP values seem to be rounded to {fitting[0]} decimals, which looks like steps: at most "
                f"{MOST_ROUNDED} answers are asked for",
                RuntimeWarning,
                stacklevel=6,
            )

    def warn(self) -> None:
        """Say once that there are many steps."""
        if self.session.queries >= MANY and not self.warned:
            self.warned = True
            found = sum(len(shape.thresholds()[0]) for shape in self.shapes)
            warnings.warn(
                f"{self.session.queries} answers so far, {found} thresholds found, and more remain open: "
                "SHAP values that were rounded look like steps; a budget or Ctrl-C ends the search with what "
                "is known",
                RuntimeWarning,
                stacklevel=6,
            )

    def _next(self, i: int) -> float:
        """Where to ask about number i: in its narrowest open gap, else anywhere."""
        gap = self.shapes[i].open()
        return self.rng.uniform(self.low[i], self.high[i]) if gap is None else gap

    @property
    def allowed(self) -> float:
        """Difference of SHAP values that counts as none."""
        return SAME * max(max(shape.spread for shape in self.shapes), 1e-12)

    def surprised(self, points: Array) -> bool:
        """Ask points (n, d), keep the answers, and return whether any was foretold wrongly."""
        points = self.session.read(points)
        before = self.explained(points)
        steady = ~np.array([shape.curved for shape in self.shapes])
        return bool((np.abs(self.ask(points) - before) > self.allowed)[:, steady].any())

    def interacts(self, points: Array) -> bool:
        """Ask numbers (n, d), that were asked about, beside others: whether SHAP values change with these."""
        mixed = self.session.read(self.rng.permuted(points, axis=0))
        known = np.stack([shape.known(mixed[:, i]) for i, shape in enumerate(self.shapes)], axis=1)
        differs = (np.abs(self.ask(mixed, keep=False) - known) > self.allowed).any(axis=0)
        if differs.any():
            self.notes.append(
                f"the SHAP value of number {int(np.argmax(differs))} changes with other numbers: the model "
                "is not additive"
            )
        return bool(differs.any())

    def ask(self, points: Array, keep: bool = True) -> Array:
        """Ask about points (n, d), keep what each shape shows, and return SHAP values (n, d)."""
        points = self.session.read(points)
        told = self.session.ask(points)
        if len(points) > 1 and self.most == MOST:
            self.several = told
        if keep:
            scale = float(np.abs(told).max(initial=0.0))
            for i, shape in enumerate(self.shapes):
                shape.scale = max(shape.scale, scale)
                shape.add(points[:, i], told[:, i])
        if self.progress is not None:
            self.progress(self.session.queries, sum(len(shape.thresholds()[0]) for shape in self.shapes))
        return told
