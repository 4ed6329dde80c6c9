"""Additive models that learn a teacher's values: penalised splines, bagged shallow trees, interpret's EBM."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.datasets.columns import Column
from divulge.explanations.spline_basis import Basis

STRENGTHS = 10.0 ** np.arange(-7, 4.5, 1.0)  # of the penalty, a row
# Of the trees: three leaves see one column in two steps; the rate and number are those that stop the gain.
LEAVES, RATE, TREES, PAIR_LEAVES = 3, 0.1, 400, 6
BAGS = 8


class Student(ABC):
    """A model b + sum_j h_j(x_j) + sum_jk h_jk(x_j, x_k).

    Args:
        columns: d of them.
        pairs: places (j, k) of the pairs.
        seed: of what is drawn.
    """

    def __init__(
        self, columns: Sequence[Column], pairs: Sequence[tuple[int, int]] = (), *, seed: int = 0
    ) -> None:
        self.columns, self.pairs, self.seed = tuple(columns), tuple(pairs), seed

    @abstractmethod
    def fit(self, x: Array, y: Array) -> Student:
        """Learn values (n,) of rows (n, d), choosing what there is to choose; return itself."""

    @abstractmethod
    def again(self, x: Array, y: Array, draw: Index, seed: int) -> Student:
        """Return the same learned anew from rows drawn (n,), with what was chosen."""

    @abstractmethod
    def predict(self, x: Array) -> Array:
        """Return values (n,) of rows (n, d)."""


class SplineStudent(Student):
    """B-splines of each column by ridge regression, with a penalty on differences of their coefficients.

    The penalty is that of P-splines: second differences of neighbouring coefficients, none on straight lines;
    its strength, one for all columns, is the one with the least leave-one-out error.

    Source:
        P. Eilers, B. Marx, "Flexible Smoothing with B-splines and Penalties", 1996.
    """

    def fit(self, x: Array, y: Array) -> SplineStudent:
        """Place knots at quantiles and choose the strength of the penalty by leave-one-out."""
        from sklearn.linear_model import RidgeCV

        self.basis = Basis(x, self.columns, self.pairs)
        matrix = self.basis(x)
        chosen = RidgeCV(alphas=STRENGTHS * len(x)).fit(matrix, y)
        self.strength = float(chosen.alpha_) / len(x)
        self._coefficients, self._base = np.asarray(chosen.coef_), float(chosen.intercept_)
        return self

    def again(self, x: Array, y: Array, draw: Index, seed: int) -> SplineStudent:
        """Keep knots and strength."""
        twin = SplineStudent(self.columns, self.pairs, seed=seed)
        twin.basis, twin.strength = self.basis, self.strength
        matrix = self.basis(x[draw])
        means, mean = matrix.mean(axis=0), float(y[draw].mean())
        centred = matrix - means
        gram = centred.T @ centred
        gram[np.diag_indices_from(gram)] += max(self.strength * len(x), 1e-10 * float(np.trace(gram)))
        twin._coefficients = np.linalg.solve(gram, centred.T @ (y[draw] - mean))
        twin._base = mean - float(means @ twin._coefficients)
        return twin

    def predict(self, x: Array) -> Array:
        """Return values (n,) of rows (n, d)."""
        return np.asarray(self._base + self.basis(x) @ self._coefficients)


class TreeStudent(Student):
    """The mean of several boosted ensembles of shallow trees, each learned from a bootstrap of the rows.

    A tree reads one column alone, or the two of a pair.
    """

    def fit(self, x: Array, y: Array) -> TreeStudent:
        """Learn all bags."""
        rng = np.random.default_rng([self.seed, 2])
        draws = [rng.integers(len(x), size=len(x)) for _ in range(BAGS)]
        self._bags = [self._bag(x[rows], y[rows], bag) for bag, rows in enumerate(draws)]
        return self

    def again(self, x: Array, y: Array, draw: Index, seed: int) -> TreeStudent:
        """Learn a single bag."""
        twin = TreeStudent(self.columns, self.pairs, seed=seed)
        twin._bags = [self._bag(x[draw], y[draw], seed)]
        return twin

    def predict(self, x: Array) -> Array:
        """Return values (n,) of rows (n, d)."""
        return np.asarray(np.mean([bag.predict(x) for bag in self._bags], axis=0))

    def _bag(self, x: Array, y: Array, seed: int) -> Any:
        from sklearn.ensemble import HistGradientBoostingRegressor

        groups: Any = [[j] for j in range(len(self.columns))] + [list(pair) for pair in self.pairs]
        return HistGradientBoostingRegressor(
            learning_rate=RATE,
            max_iter=TREES,
            max_leaf_nodes=PAIR_LEAVES if self.pairs else LEAVES,
            min_samples_leaf=min(20, max(1, len(x) // 20)),
            interaction_cst=groups,
            early_stopping=False,
            random_state=seed,
        ).fit(x, y)


class EbmStudent(Student):
    """interpret's explainable boosting machine.

    Raises:
        ImportError: interpret is not installed.

    Source:
        Y. Lou, R. Caruana, J. Gehrke, G. Hooker, "Accurate Intelligible Models with Pairwise Interactions",
        2013; H. Nori, S. Jenkins, P. Koch, R. Caruana, "InterpretML", 2019, arXiv 1909.09223.
    """

    def fit(self, x: Array, y: Array) -> EbmStudent:
        """Learn with the package's own defaults."""
        return self._learned(x, y, {})

    def again(self, x: Array, y: Array, draw: Index, seed: int) -> EbmStudent:
        """Learn a single bag."""
        twin = EbmStudent(self.columns, self.pairs, seed=seed)
        return twin._learned(x[draw], y[draw], {"outer_bags": 1})

    def predict(self, x: Array) -> Array:
        """Return values (n,) of rows (n, d)."""
        return np.asarray(self._model.predict(x), np.float64)

    def _learned(self, x: Array, y: Array, options: dict[str, Any]) -> EbmStudent:
        from interpret.glassbox import ExplainableBoostingRegressor

        kinds = ["nominal" if column.categories else "continuous" for column in self.columns]
        self._model = ExplainableBoostingRegressor(
            interactions=[tuple(pair) for pair in self.pairs],
            feature_types=kinds,
            random_state=self.seed,
            n_jobs=1,
            **options,
        ).fit(x, y)
        return self


STUDENTS: dict[str, type[Student]] = {"splines": SplineStudent, "trees": TreeStudent, "ebm": EbmStudent}
