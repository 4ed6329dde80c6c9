"""Linear and logistic models rebuilt from explanations: SHAP values, LIME, gradients, counterfactuals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from divulge.arrays import Array, Index
from divulge.datasets import Dataset
from divulge.oracles import Oracle
from divulge.oracles.ledger import whole
from divulge.points import as_matrix, check_finite
from divulge.surrogate.linear_session import EXACT, LinearSession
from divulge.training.class_scores import named_classes

if TYPE_CHECKING:
    from divulge.points import Points

QUERIES = 100  # answers at most, where explanations are noisy or a border is not the nearest


@dataclass(frozen=True)
class LinearCopy:
    """f(x) = W x + b, as explanations told it.

    Attributes:
        weights: W, shape (K, d): a row for each output that was explained. From counterfactuals the scores of
            all classes, less that of class 0, up to one positive factor.
        offsets: b, shape (K,); NaN where neither values nor borders are told.
        queries: answers asked.
        complete: whether 20 fresh answers an output (of counterfactuals 20 in all), or as many as `queries`
            leave and one at least, are explained to 1e-6 of their size, values beside them too, and no
            defence changes them.
        notes: sentences on what is left open.
        error: the largest of these answers, relative to its size.
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
        """Return the class of the largest output, shape (n,); of one output 1 where it is above 0.

        Raises:
            ValueError: offsets are not known.
        """
        if np.isnan(self.offsets).any():
            raise ValueError(f"expected offsets of all outputs, got {self.offsets}: classes are not known")
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
    it tells whole, by any smooth distance that the API names (`Distance`); by others it lies on the border.
    The scores of more than two classes follow from borders that meet. Other counterfactuals are taken for
    examples of their classes, and a logistic regression fitted.

    Args:
        oracle: tells explanations, or counterfactuals beside labels.
        data: inputs like those the model is for, a data set or shape (m, d). Counterfactuals are asked for
            beside them, explanations of them and anywhere between their ranges; by default from -1 to 1.
        queries: the most answers.
        seed: of the inputs.
        progress: called with the answers so far and the most there may be.

    Returns:
        The copy. Where the model is not linear, or answers do not tell it exactly, `complete` is False and
        `notes` say so; where the budget ends or the oracle fails, the same, with what is known by then.

    Raises:
        TypeError: the oracle is none.
        ValueError: it tells neither explanations that are known of linear models nor counterfactuals, the
            data have another shape or hold NaN, or fewer than two queries an output are allowed.
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
    outputs = _outputs(oracle)
    if factor is not None and queries < 2 * len(outputs):
        raise ValueError(f"expected at least 2 queries for each of {len(outputs)} outputs, got {queries}")
    rng = np.random.default_rng(whole("a seed", seed))
    session = LinearSession(oracle, *inside, queries, rng, progress, rows)
    scores, error = session.from_counterfactuals() if factor is None else session.from_explanations(outputs)
    complete = error <= EXACT and not session.notes
    notes = (*(session.limits if not complete else ()), *session.notes)
    return LinearCopy(scores[:, :-1], scores[:, -1], session.asked, complete, notes, error)


def _outputs(oracle: Oracle) -> list[int | None]:
    """What explanations are asked of: each output, or the oracle's own where it names no others."""
    if oracle.names_outputs and oracle.output_size is not None:
        return list(range(oracle.output_size))
    return [None]


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
