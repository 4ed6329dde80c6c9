"""One attack on a linear model: what is asked, and how the answers are solved for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from divulge.arrays import Array
from divulge.errors import BudgetExhausted, OracleError
from divulge.oracles import Answers, Distance, Oracle
from divulge.surrogate.borders import fitted, off_border, scores_of_planes, scores_of_points
from divulge.surrogate.linear_rows import offset_of, row_of, scaled

EXACT = 1e-6  # relative error of answers up to which a copy is exact: a float32 model's are off by 1e-7
# Answers that check a copy, of each output: what fails on 14% of inputs passes one time in 20.
CHECKS = 20
LEAST = 1e-9  # probabilities below are left out: of p near 1 the others are known to 1e-16
MISSED = 3  # counterfactuals that are not where planes put them, after which these are not solved for
UNKNOWN_OFFSETS = "explanations alone do not show offsets: values are not known"


@dataclass
class LinearSession:
    """What was asked so far, and what it tells: `from_explanations`, `from_counterfactuals`.

    Both return scores (K, d + 1), offsets last, and their relative error.
    """

    oracle: Oracle
    low: Array
    high: Array
    most: int
    rng: np.random.Generator
    progress: Callable[[int, int], None] | None
    rows: Array | None  # of the data
    between: float = 1.0  # how far counterfactuals are asked for on the way from a row of the data to another
    wide: bool = (
        False  # whether half of them are asked for anywhere: a copy may be right beside the data alone
    )
    told: list[Answers] = field(default_factory=list)
    asked: int = 0
    notes: list[str] = field(default_factory=list)
    limits: tuple[str, ...] = ()  # a sentence on the oracle's budget, where it is less

    def __post_init__(self) -> None:
        remain = self.oracle.ledger.remaining
        if remain is not None and remain < self.most:
            self.most, self.limits = remain, (f"the budget left {remain} of {self.most} queries",)

    def ask(self, output: int | None = None, n: int = 1) -> bool:
        """Ask about n inputs more, as far as may be; False where nothing more can be, the reason noted."""
        n = min(n, self.most - self.asked)
        if n < 1:
            return False
        try:
            found = self.oracle.explain(self.points(n), output)
        except (BudgetExhausted, OracleError) as error:
            self.notes.append(str(error))
            self.most = self.asked
            return False
        self.asked += n
        self.told.append(found)
        if self.progress is not None:
            self.progress(self.asked, self.most)
        return True

    def points(self, n: int) -> Array:
        """Return inputs (n, d): of explanations by turns between the ranges and of the data."""
        points = self.rng.uniform(self.low, self.high, (n, len(self.low)))
        if self.rows is None:
            return points
        one, other = self.rows[self.rng.integers(0, len(self.rows), (2, n))]
        if self.oracle.kind == "counterfactual":
            if self.wide and self.rng.random() < 0.5:
                return points
            return np.asarray(one + self.between * self.rng.random((n, 1)) * (other - one))
        points[1::2] = one[1::2]
        return points

    def from_explanations(self, outputs: list[int | None]) -> tuple[Array, float]:
        """Solve for each output's row, exactly where answers agree, else by the mean of all."""
        scores, share = np.full((len(outputs), len(self.low) + 1), np.nan), max(1, self.most // len(outputs))
        worst = 0.0
        for place, output in enumerate(outputs):
            scores[place], error = self.one_output(place, output, share)
            worst = max(worst, error)
        exact = self.from_probabilities()
        if exact is not None:
            return exact
        if np.isnan(scores[:, -1]).any():
            self.notes.append(UNKNOWN_OFFSETS)
        return scores, worst

    def one_output(self, place: int, output: int | None, share: int) -> tuple[Array, float]:
        """Return a row and its offset, (d + 1,), and their error."""
        reach, first, asked = self.high - self.low, len(self.told), self.asked
        if not self.ask(output, min(1 + CHECKS, share)):
            return np.full(len(reach) + 1, np.nan), np.inf
        own = self.told[-1]
        assert own.attribution is not None
        if own.imitations:
            self.notes.append(f"a defence changes the explanations of output {place}, and maybe its row")
        row, error = row_of(own, reach)
        offset, missed = offset_of(row, own)
        if max(error, missed) <= EXACT and not own.attribution.of_probability:
            return np.append(row, offset), max(error, missed)
        self.ask(output, share - (self.asked - asked))
        own = Answers.join(self.told[first:])
        agreed = error <= EXACT
        row, error = row_of(own, reach)
        self.notes.append(
            f"values of output {place} are not those of the one row that its explanations agree on"
            if agreed
            else f"explanations of output {place} do not agree on one row: it is the mean of {len(own)}, and "
            f"one is off by up to {error:.1g} of its size"
        )
        return np.append(*scaled(row, own)), max(error, missed)

    def from_probabilities(self) -> tuple[Array, float] | None:
        """Return scores less that of class 0, exact by log-odds where there are enough answers, or None."""
        told = Answers.join(self.told) if self.told else None
        if told is None or told.probabilities is None:
            return None
        p = told.probabilities
        known = (p > LEAST).all(axis=1)
        system = np.column_stack([told.points[known], np.ones(known.sum())])
        if len(system) < system.shape[1] + CHECKS:
            return None
        odds = np.log(p[known]) - np.log(p[known, :1])
        unit = np.maximum(np.abs(system).max(axis=0), np.finfo(float).tiny)
        found = np.linalg.lstsq(system / unit, odds, rcond=None)[0] / unit[:, None]
        error = float(np.abs(system @ found - odds).max() / max(np.abs(odds).max(), np.finfo(float).tiny))
        if error > EXACT:
            return None
        self.notes.clear()
        return found.T, error

    @property
    def distance(self) -> Distance:
        """By which counterfactuals are nearest, as the API says."""
        return getattr(self.oracle, "distance", Distance())

    def usual_move(self) -> float:
        """Return the median distance of counterfactuals (2, d) from their points."""
        return float(
            np.median([self.distance.length(other - x) for x, other in (one.points for one in self.told)])
        )

    def from_counterfactuals(self) -> tuple[Array, float]:
        """Solve for borders where counterfactuals are nearest inputs, else fit what is known of classes."""
        classes = self.oracle.output_size or 2
        found, errors, missed, planes = None, [np.inf], 0, self.distance.smooth
        while (errors[-1] > EXACT or len(errors) < CHECKS) and self.ask():
            if found is not None:
                error = off_border(found, self.told[-1], self.usual_move(), self.distance)
                if error <= EXACT:
                    errors = [*(errors if errors[-1] <= EXACT else []), error]
                    continue
                missed += 1
                errors = [error]
            if planes and missed == MISSED:
                if self.distance.norm == 2:
                    break
                planes, found = False, None  # rounding hides what the shortest move says of small weights
            if len(self.told) >= classes - 1:
                solve = scores_of_planes if planes else scores_of_points
                found = solve(self.told, classes, self.distance)
                self.wide = found is not None
        if found is not None and errors[-1] <= EXACT:
            return found, max(errors)
        self.between, self.wide = 0.0, False
        self.ask(n=self.most)
        self.notes.append(
            "counterfactuals are not the nearest inputs of another class, or the model is not linear: a "
            "logistic regression is fitted to them"
        )
        if not self.told:
            return np.zeros((classes, len(self.low) + 1)), np.inf
        return fitted(Answers.join(self.told), classes), np.inf
