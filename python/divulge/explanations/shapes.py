"""Other methods' shapes of single columns beside an additive model's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from divulge.arrays import Array
from divulge.attributions.from_values import Shap
from divulge.explanations.asked import Asked
from divulge.explanations.rows import Rows
from divulge.explanations.spline_basis import Basis
from divulge.explanations.terms import Terms
from divulge.oracles.ledger import whole

if TYPE_CHECKING:
    import pandas as pd

PLACES = 24  # of a column's grid, where partial dependence is taken
BACKGROUND = 20  # rows that SHAP values are taken against
PENALTY = 1e-4  # a row, of the curve through attributions


def compared(
    asked: Asked, rows: Rows, terms: Terms, held: tuple[Array, Array], *, points: int, seed: int
) -> pd.DataFrame:
    """Return shapes of single columns by several methods, each centred by the data.

    "additive" is the student's; "partial dependence" the mean of the model over rows whose column is set to
    the value; "SHAP dependence" and "gradient times input" are the smooth curves through the attributions of
    rows against the column's value. The last is left out where the model has no gradients.

    Args:
        asked: the model.
        rows: of the data.
        terms: of the student.
        held: rows (m, d) and the model's values (m,) there.
        points: how many rows each method asks about.
        seed: of their choice.

    Returns:
        A row for each method, column and value: method, column, value, effect, and the method's fidelity:
        the share of the variance explained by base + the sum of its shapes, on the held rows.
    """
    import pandas as pd

    rng = np.random.default_rng([seed, 6])
    n = min(whole("points", points), len(rows.train))
    if n < 2:
        raise ValueError(f"expected at least two points to compare on, got {n}")
    x = rows.train[np.sort(rng.choice(len(rows.train), n, replace=False))]
    found: dict[str, list[Array]] = {"additive": list(terms.mains)}
    found["partial dependence"] = _partial_dependence(asked, x, rows, terms)
    found["SHAP dependence"] = _curves(_shap(asked, rows, x, rng), x, rows, terms)
    gradients = asked.gradients(x)
    if gradients is not None:
        found["gradient times input"] = _curves(gradients * x, x, rows, terms)
    frames = []
    for method, mains in found.items():
        centred = Terms(terms.base, terms.grids, tuple(_centred(mains, terms, rows.train)))
        fidelity = 1 - float(np.mean((held[1] - centred(held[0])) ** 2)) / float(held[1].var())
        for j, column in enumerate(rows.columns):
            frame = pd.DataFrame({"method": method, "column": column.name, "value": terms.grids[j]})
            frames.append(frame.assign(effect=centred.mains[j], fidelity=fidelity))
    return pd.concat(frames, ignore_index=True)


def _centred(mains: list[Array], terms: Terms, x: Array) -> list[Array]:
    """Shapes on the grids less their means over rows (n, d)."""
    pairs = zip(mains, terms.grids, x.T, strict=True)
    return [main - np.interp(entries, grid, main).mean() for main, grid, entries in pairs]


def _partial_dependence(asked: Asked, x: Array, rows: Rows, terms: Terms) -> list[Array]:
    """The mean over rows (n, d) with one column set: to each word, to a few numbers, linear between."""
    found = []
    for j, grid in enumerate(terms.grids):
        places = len(grid) if rows.columns[j].categories else PLACES
        few = grid[np.unique(np.linspace(0, len(grid) - 1, places).round().astype(np.intp))]
        moved = np.repeat(x[None], len(few), axis=0)
        moved[:, :, j] = few[:, None]
        means = asked(moved.reshape(-1, x.shape[1])).reshape(len(few), -1).mean(axis=1)
        found.append(np.asarray(np.interp(grid, few, means)))
    return found


def _shap(asked: Asked, rows: Rows, x: Array, rng: np.random.Generator) -> Array:
    """SHAP values (n, d) of rows against some of the training rows."""
    chosen = rng.choice(len(rows.train), min(BACKGROUND, len(rows.train)), replace=False)
    shap = Shap(rows.train[np.sort(chosen)])
    noise = rng.standard_normal((len(x), shap.draws, x.shape[1]))
    places = np.asarray(shap.places(x, noise))
    values = asked(places.reshape(-1, x.shape[1])).reshape(len(x), -1)
    return np.asarray(shap.combine(x, values, noise))


def _curves(attributions: Array, x: Array, rows: Rows, terms: Terms) -> list[Array]:
    """The smooth curve through the attributions (n, d) against each column, on its grid."""
    with threadpool_limits(limits=1, user_api="blas"):  # whose sums depend on the number of threads
        return [
            _curve(x[:, [j]], attributions[:, j], Basis(x[:, [j]], [column]))(grid[:, None])
            for j, (column, grid) in enumerate(zip(rows.columns, terms.grids, strict=True))
        ]


def _curve(x: Array, y: Array, basis: Basis) -> Callable[[Array], Array]:
    """Penalised least squares of y (n,) on one column (n, 1)."""
    matrix = basis(x)
    means = matrix.mean(axis=0)
    centred = matrix - means
    gram = centred.T @ centred + PENALTY * len(x) * np.eye(matrix.shape[1])
    found = np.linalg.solve(gram, centred.T @ (y - y.mean()))
    return lambda v: np.asarray(y.mean() + (basis(v) - means) @ found)
