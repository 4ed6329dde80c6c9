"""Local explanations drawn together into a tree: from one a row to one for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from divulge.arrays import Array
from divulge.conventions import OnProgress
from divulge.explanations.fusion import fusions, neighbours_graph
from divulge.explanations.local_models import LocalModels
from divulge.explanations.tree import ExplanationTree
from divulge.oracles import Answers
from divulge.oracles.ledger import whole
from divulge.points import as_matrix, check_finite

if TYPE_CHECKING:
    from divulge.points import Points

NEIGHBOURS = 10
MOST_ROWS = 3000  # of which all distances are held


def multilevel(
    explanations: Any,
    data: Points | None = None,
    *,
    values: Any = None,
    kind: Literal["slopes", "effects"] | None = None,
    side: Any = "points",
    neighbours: int = NEIGHBOURS,
    progress: OnProgress | None = None,
) -> ExplanationTree:
    """Return a tree whose leaves are local explanations and whose nodes explain groups of rows.

    Explanations fuse by convex clustering as the penalty on their differences grows (`fusions`). Slopes are
    taken times the deviation of their column, so that columns of any unit count alike; where values are
    given, a row's local value at the mean point, f(x) - theta (x - mean), counts as one more number.
    A row stays with the neighbour that it first fused with; `tree.refined(k)` lets the rows of a level move.

    Args:
        explanations: numbers (n, d), one explanation a row, such as gradients, coefficients of local linear
            models or SHAP values; or an oracle's `Answers`, with their points, values and kind.
        data: the rows explained, shape (n, d).
        values: what the model says of them, shape (n,); fidelity is measured against it. None: not known.
        kind: "slopes", how fast the value changes with each column, or "effects", parts of the value that add
            up. None: by the answers' attribution, else slopes.
        side: numbers of the rows, shape (n, s), such as known groups: rows that are alike in them are drawn
            together more, as far as their explanations are alike too. "points" takes the points; None nothing
            but the explanations.
        neighbours: rows that each is drawn to.
        progress: called with the fusions made and the number of all.

    Raises:
        ValueError: shapes do not fit, fewer than three rows, too many, or numbers that are not finite.
        TypeError: something is not numbers.

    Source:
        K. Natesan Ramamurthy, B. Vinzamuri, Y. Zhang, A. Dhurandhar, "Model Agnostic Multilevel
        Explanations", 2020, arXiv 2003.06005.
    """
    if isinstance(explanations, Answers):
        explanations, data, values, kind = _of_answers(explanations, data, values, kind)
    if data is None:
        raise ValueError("expected data, the rows that are explained")
    theta = _matrix("explanations", explanations)
    x = _matrix("data", data)
    if theta.shape != x.shape:
        raise ValueError(f"expected explanations of the data's shape {x.shape}, got {theta.shape}")
    if not 3 <= len(x) <= MOST_ROWS:
        raise ValueError(f"expected 3 to {MOST_ROWS} rows, got {len(x)}")
    kind = kind or "slopes"
    if kind not in ("slopes", "effects"):
        raise ValueError(f"expected a kind slopes or effects, got {kind!r}")
    if whole("neighbours", neighbours) < 1:
        raise ValueError(f"expected neighbours of at least 1, got {neighbours}")
    local = LocalModels(theta, x, None if values is None else _values(values, len(x)), kind)
    if isinstance(side, str):
        if side != "points":
            raise ValueError(f"expected side information as numbers, 'points' or None, got {side!r}")
        side = x
    others = None if side is None else _matrix("side information", side, len(x))
    rows = local.comparable()
    graph = neighbours_graph(rows, None if others is None else _in_deviations(others), neighbours)
    return ExplanationTree.of(local, fusions(rows, graph, progress))


def _of_answers(answers: Answers, points: Any, values: Any, kind: Any) -> tuple[Any, Any, Any, Any]:
    """The parts of answers, unless others are given."""
    if answers.explanations is None or answers.attribution is None:
        raise ValueError("expected answers with explanations, these hold none")
    told = "slopes" if answers.attribution.is_gradient else "effects"
    return (
        answers.explanations,
        answers.points if points is None else points,
        answers.values if values is None else values,
        kind or told,
    )


def _matrix(what: str, given: Any, n: int | None = None) -> Array:
    """Return finite numbers (n, p)."""
    from divulge.points import host_array

    array = np.asarray(host_array(given))
    if array.ndim > 2:
        array = array.reshape(len(array), -1)
    if array.ndim != 2 or not array.shape[1] or (n is not None and len(array) != n):
        raise ValueError(f"expected {what} of shape ({'n' if n is None else n}, d), got {array.shape}")
    try:
        matrix = as_matrix(array, array.shape[1])
        check_finite(matrix)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("points", what)) from None
    return matrix


def _values(given: Any, n: int) -> Array:
    """Return finite values (n,)."""
    array = np.asarray(given)
    if array.shape not in {(n,), (n, 1)}:
        raise ValueError(f"expected values of shape ({n},), got {array.shape}")
    return _matrix("values", array.reshape(n, 1))[:, 0]


def _in_deviations(rows: Array) -> Array:
    """Columns (n, s) over their deviations."""
    spread = rows.std(axis=0)
    return np.asarray(rows / np.where(spread > 0, spread, 1.0))
