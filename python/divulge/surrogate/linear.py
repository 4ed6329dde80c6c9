"""Linear and logistic models rebuilt from explanations: SHAP values, LIME, gradients, counterfactuals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from divulge.arrays import Array, Index
from divulge.datasets import Dataset
from divulge.errors import BudgetExhausted, OracleError
from divulge.oracles import Answers, Oracle
from divulge.oracles.ledger import whole
from divulge.points import as_matrix, check_finite
from divulge.surrogate.borders import fitted, scores_of_planes
from divulge.training.class_scores import named_classes

if TYPE_CHECKING:
    from divulge.points import Points

EXACT = 1e-6  # relative error of fresh answers up to which a copy is exact: a float32 model's are off by 1e-7
QUERIES = 100  # answers at most, where explanations are noisy or a border is not the nearest
FRESH = 2  # answers about each output that check a copy
LEAST = 1e-9  # probabilities below are left out: of p near 1 the others are known to 1e-16
MISSED = 3  # counterfactuals that are not where borders put them, after which no more borders are solved for


@dataclass(frozen=True)
class LinearCopy:
    """f(x) = W x + b, as explanations told it.

    Attributes:
        weights: W, shape (K, d): a row for each output that was explained. From counterfactuals the scores of
            all classes, less that of class 0, up to one positive factor.
        offsets: b, shape (K,); NaN where neither values nor borders are told.
        queries: answers asked.
        complete: whether fresh answers are explained, to 1e-6 of their size.
        notes: sentences on what is left open.
        error: of the fresh answers, relative to their size.
    """

    weights: Array
    offsets: Array
    queries: int
    complete: bool
    notes: tuple[str, ...]
    error: float

    def values(self, points: Points) -> Array:
        """Return W x + b, shape (n, K), of points (n, d)."""
        return np.asarray(as_matrix(points, self.weights.shape[1]) @ self.weights.T + self.offsets)

    def classes(self, points: Points) -> Index:
        """Return the class of the largest output, shape (n,); of one output 1 where it is above 0."""
        return named_classes(self.values(points), 0.0)


def linear_copy(
    oracle: Oracle,
    data: Dataset | Points | None = None,
    *,
    queries: int = QUERIES,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LinearCopy:
    """Rebuild a linear or logistic model from what explains it.

    Of f(x) = W x + b a gradient is a row of W; a SHAP value is w_i (x_i - m_i), so that one vector and the
    background's mean m tell a row, and two vectors do where m is not known; LIME's slopes are w_i times the
    width. Where answers are noisy their mean over all queries is taken, which tells a direction; values then
    tell its length and the offset, by log-odds where they are probabilities. A counterfactual that is
    the nearest input of another class lies at the foot of a perpendicular on the border of two classes, which
    it tells whole; the scores of more than two classes follow from borders that meet. Other
    counterfactuals are taken for examples of their classes, and a logistic regression fitted.

    Args:
        oracle: tells explanations, or counterfactuals beside labels.
        data: inputs like those the model is for, a data set or shape (m, d). Counterfactuals are asked for
            beside them, explanations anywhere between their ranges; by default from -1 to 1.
        queries: the most answers.
        seed: of the inputs.
        progress: called with the answers so far and the most there may be.

    Returns:
        The copy. Where the model is not linear, or answers do not tell it exactly, `complete` is False and
        `notes` say so; where the budget ends or the oracle fails, the same, with what is known by then.

    Raises:
        TypeError: the oracle is none.
        ValueError: it tells neither explanations that are known of linear models nor counterfactuals, the
            data have another shape or hold NaN, or fewer than two queries are allowed.
    """
    if not isinstance(oracle, Oracle):
        raise TypeError(f"expected an oracle such as ShapOracle, got {type(oracle).__name__}")
    if whole("a number of queries", queries) < 2:
        raise ValueError(f"expected at least 2 queries, one of which checks the copy, got {queries}")
    rows = _rows(oracle, data)
    inside = _box(oracle, rows)
    factor = None if not oracle.has_explanations else oracle.attribution.factor(np.ones((1, len(inside[0]))))
    if factor is None and oracle.kind != "counterfactual":
        told = oracle.attribution.name if oracle.has_explanations else oracle.kind
        raise ValueError(
            f"expected an oracle of counterfactuals or of explanations that tell a linear model, got {told}"
        )
    session = _Session(oracle, *inside, queries, np.random.default_rng(whole("a seed", seed)), progress, rows)
    return session.from_counterfactuals() if factor is None else session.from_explanations()


@dataclass
class _Session:
    """One attack: what was asked so far."""

    oracle: Oracle
    low: Array
    high: Array
    most: int
    rng: np.random.Generator
    progress: Callable[[int, int], None] | None
    rows: Array | None  # of the data
    between: float = 1.0  # how far counterfactuals are asked for on the way from a row of the data to another
    told: list[Answers] = field(default_factory=list)
    asked: int = 0
    notes: list[str] = field(default_factory=list)

    def ask(self, output: int | None = None, n: int = 1) -> bool:
        """Ask about n inputs more, as far as may be; False where nothing more can be, the reason noted."""
        n = min(n, self.most - self.asked)
        if n < 1:
            return False
        points = self.rng.uniform(self.low, self.high, (n, len(self.low)))
        if self.oracle.kind == "counterfactual" and self.rows is not None:
            one, other = self.rows[self.rng.integers(0, len(self.rows), (2, n))]
            points = one + self.between * self.rng.random((n, 1)) * (other - one)
        try:
            found = self.oracle.explain(points, output)
        except (BudgetExhausted, OracleError) as error:
            self.notes.append(str(error))
            self.most = self.asked
            return False
        self.asked += n
        self.told.append(found)
        if self.progress is not None:
            self.progress(self.asked, self.most)
        return True

    def from_explanations(self) -> LinearCopy:
        """Solve for each output's row, exactly where two answers agree, else by the mean of all."""
        outputs: list[int | None] = [None]
        if self.oracle.names_outputs and self.oracle.output_size is not None:
            outputs = list(range(self.oracle.output_size))
        d, share = len(self.low), self.most // len(outputs)
        weights, offsets, errors = np.zeros((len(outputs), d)), np.full(len(outputs), np.nan), [0.0]
        for place, output in enumerate(outputs):
            first = len(self.told)
            row, error = None, np.inf
            for _ in range(min(FRESH + 1, share)):
                if row is None and self.ask(output) and len(self.told) - first >= FRESH:
                    row, error = _row(Answers.join(self.told[first:]))
            if row is None:
                self.ask(output, share - (len(self.told) - first))
            if len(self.told) == first:
                break
            own = Answers.join(self.told[first:])
            if row is None:
                row, error = _mean_row(own)
                self.notes.append(
                    f"explanations of output {place} do not agree on one row: it is the mean of {len(own)}, "
                    f"and fresh ones are off by {error:.1g} of their size"
                )
            weights[place], offsets[place] = _placed(row, own)
            errors.append(error)
        exact = self.from_probabilities()
        if exact is not None:
            return exact
        worst = max(errors) if len(errors) > len(outputs) else np.inf
        if np.isnan(offsets).any():
            self.notes.append("explanations alone do not show offsets: values are not known")
        return self.copy(weights, offsets, worst)

    def from_probabilities(self) -> LinearCopy | None:
        """Return scores less that of class 0, which log-odds tell exactly where there are d + 2 answers."""
        told = Answers.join(self.told) if self.told else None
        if told is None or told.probabilities is None or len(told) < len(self.low) + 2:
            return None
        p = told.probabilities
        known = (p > LEAST).all(axis=1)
        system = np.column_stack([told.points[known], np.ones(known.sum())])
        odds = np.log(p[known]) - np.log(p[known, :1])
        if len(system) < system.shape[1] + 1:
            return None
        unit = np.maximum(np.abs(system).max(axis=0), np.finfo(float).tiny)
        found = np.linalg.lstsq(system / unit, odds, rcond=None)[0] / unit[:, None]
        error = float(np.abs(system @ found - odds).max() / max(np.abs(odds).max(), np.finfo(float).tiny))
        if error > EXACT:
            return None
        self.notes.clear()
        return self.copy(found[:-1].T, found[-1], error)

    def from_counterfactuals(self) -> LinearCopy:
        """Solve for borders where counterfactuals are nearest inputs, else fit what is known of classes."""
        classes = self.oracle.output_size or 2
        found, error, missed = None, np.inf, 0
        while error > EXACT and missed < MISSED and self.ask():
            if found is not None:
                error = _off_border(found, self.told[-1])
                missed += error > EXACT
            if error > EXACT and len(self.told) >= classes - 1:
                found = scores_of_planes(self.told, classes)
        if found is None or error > EXACT:
            self.between = 0.0
            self.ask(n=self.most)
            self.notes.append(
                "counterfactuals are not the nearest inputs of another class, or the model is not linear: a "
                "logistic regression is fitted to them"
            )
            found = (
                fitted(Answers.join(self.told), classes)
                if self.told
                else np.zeros((classes, len(self.low) + 1))
            )
        return self.copy(found[:, :-1], found[:, -1], error)

    def copy(self, weights: Array, offsets: Array, error: float) -> LinearCopy:
        """Return what is known."""
        complete = error <= EXACT and not self.notes
        return LinearCopy(weights, offsets, self.asked, complete, tuple(self.notes), float(error))


def _row(told: Answers) -> tuple[Array | None, float]:
    """The row (d,) that explanations of one output agree on, or None, and how far the last is from it."""
    assert told.explanations is not None
    assert told.attribution is not None
    x, e = told.points, told.explanations
    c = told.attribution.factor(x)
    assert c is not None
    size = max(float(np.linalg.norm(e[-1])), np.finfo(float).tiny)
    if (c[0] != 0).all():
        row = e[0] / c[0]
        error = float(np.linalg.norm(e[-1] - c[-1] * row)) / size
        if error <= EXACT:
            return row, error
    moves = np.abs(c[1] - c[0])  # against an unknown mean: differences have none of it in them
    if len(x) > FRESH and (moves > 0).all():
        row = (e[1] - e[0]) / (c[1] - c[0])
        error = float(np.linalg.norm(e[-1] - e[0] - row * (c[-1] - c[0]))) / size
        if error <= EXACT:
            return row, error
    return None, np.inf


def _mean_row(told: Answers) -> tuple[Array, float]:
    """The row (d,) that explanations of one output agree on best, and how far they are from it."""
    assert told.explanations is not None
    assert told.attribution is not None
    c = told.attribution.factor(told.points)
    assert c is not None
    square = (c**2).sum(axis=0)
    row = (c * told.explanations).sum(axis=0) / np.where(square > 0, square, 1.0)
    off = np.linalg.norm(told.explanations - c * row) / max(
        float(np.linalg.norm(told.explanations)), np.finfo(float).tiny
    )
    return row, float(off)


def _placed(row: Array, told: Answers) -> tuple[Array, float]:
    """The row as long as values say, and the offset; NaN where there are none."""
    values = told.values
    if told.probabilities is not None:
        values = told.probabilities[np.arange(len(told)), told.outputs]
    if values is None or not len(values):
        return row, float("nan")
    along = told.points @ row
    if len(values) <= FRESH + 1:
        return row, float((values - along).mean())
    if values.min() >= 0 and values.max() <= 1:  # probabilities, of which 0 and 1 tell no log-odds
        inside = (values > 0) & (values < 1)
        along, values = along[inside], np.log(values[inside] / (1 - values[inside]))
    if len(values) < FRESH or not np.ptp(along):
        return row, float("nan")
    length, offset = np.polyfit(along, values, 1)
    return row * length, float(offset)


def _off_border(scores: Array, fresh: Answers) -> float:
    """How far a counterfactual is from where scores (K, d + 1) put it, relative to how far it moved."""
    assert fresh.labels is not None
    a, b = fresh.labels
    x, told = fresh.points
    if a == b or a != named_classes((x @ scores[:, :-1].T + scores[:, -1])[None], 0.0)[0]:
        return np.inf
    plane = scores[b] - scores[a]
    normal = plane[:-1]
    foot = x - (x @ normal + plane[-1]) / max(float(normal @ normal), np.finfo(float).tiny) * normal
    return (
        float(np.linalg.norm(foot - told) / np.linalg.norm(told - x)) / 10
    )  # it lies beyond by 1e-6 and more


def _rows(oracle: Oracle, data: Dataset | Points | None) -> Array | None:
    """The data's inputs (m, d) in the oracle's domain, if any."""
    if data is None:
        return None
    inputs, shape = (data.train_inputs, data.input_shape) if isinstance(data, Dataset) else (data, ())
    rows = as_matrix(inputs, oracle.input_size, shape)
    check_finite(rows)
    return rows if oracle.domain is None else np.clip(rows, *oracle.domain)


def _box(oracle: Oracle, rows: Array | None) -> tuple[Array, Array]:
    """Where to ask, (low, high), shape (d,) each: a constant column is moved by 1."""
    low, high = np.full(oracle.input_size, -1.0), np.full(oracle.input_size, 1.0)
    if rows is not None:
        low, high = rows.min(axis=0), rows.max(axis=0)
        high = np.where(high > low, high, low + 1.0)
    return (
        (low, high)
        if oracle.domain is None
        else (np.clip(low, *oracle.domain), np.clip(high, *oracle.domain))
    )
