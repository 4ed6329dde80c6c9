"""The oracle of an API that explains all outputs at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from divulge.arrays import Array, Index
from divulge.oracles.answers import check_gradients, check_values
from divulge.oracles.base import Domain
from divulge.oracles.explained import Answers
from divulge.oracles.victim import VictimOracle
from divulge.points import as_matrix
from divulge.training.class_scores import named_classes

if TYPE_CHECKING:
    from divulge.points import Points
    from divulge.victims import Victim


class LastAnswer:
    """What the last answer about all outputs holds that was not returned yet."""

    def __init__(self) -> None:
        self._points: Array | None = None
        self._returned: set[int] = set()

    def holds(self, points: Array, output: int) -> bool:
        """Whether it is about these points (n, d), and this output is looked up for the first time."""
        if self._points is None or output in self._returned or not np.array_equal(points, self._points):
            return False
        self._returned.add(output)
        return True

    def keep(self, points: Array, output: int) -> None:
        """Take the answer about points (n, d), of which one output was returned."""
        self._points, self._returned = points.copy(), {output}


class JacobianOracle(VictimOracle):
    """Answers with all K values and their input gradients; see `jacobians`.

    `query` asks the same and returns one output's part, so that it fits where a `GradientOracle` does. Its
    last answer holds the other outputs too: asking about one of them at the same points costs nothing.

    Args:
        victim: the model under study.
        output: the output whose part `query` returns where it names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.

    Raises:
        ValueError: there is no such output, the domain is empty, or the budget negative.
    """

    all_at_once = True

    def __init__(
        self, victim: Victim, *, output: int = 0, domain: Domain | None = None, budget: int | None = None
    ) -> None:
        super().__init__(victim, output, domain, budget, kind="jacobian")
        self._last = LastAnswer()

    def jacobians(self, points: Points) -> tuple[Array, Array]:
        """Ask about a batch of points; each counts as one query, whatever K.

        Args:
            points: shape (n, d).

        Returns:
            Values, shape (n, K), and Jacobians df_k/dx, shape (n, K, d), float64.

        Raises:
            ValueError: the points have another shape, are not finite or lie outside the domain.
            BudgetExhausted: the budget does not cover all n points; nothing was asked.
        """
        return self._jacobians(self._admit(points))

    def query(self, points: Points, output: int | None = None) -> tuple[Array | None, Array | None]:
        """Ask about a batch of points, or look up another output of the answer to the query before.

        Arguments, result and errors are those of `Oracle.query`.
        """
        number = self.output if output is None else self._check_output(output)
        matrix = as_matrix(points, self.input_size)
        if self._last.holds(matrix, number):
            values, gradients = self._ask(matrix, number)
            return check_values(values, len(matrix)), check_gradients(gradients, *matrix.shape)
        answers = super().query(points, number)
        self._last.keep(matrix, number)
        return answers

    def _jacobians(self, points: Array) -> tuple[Array, Array]:
        """Values (n, K) and gradients (n, K, d)."""
        values, gradients = zip(
            *(self.victim.values_and_gradients(points, k) for k in range(self.victim.output_size)),
            strict=True,
        )
        return np.stack(values, axis=1), np.stack(gradients, axis=1)

    def _explain(self, points: Array, outputs: Index | None) -> Answers:
        """Return n K answers, one for each point and output, whatever output is named."""
        values, gradients = self._jacobians(points)
        n, size = values.shape
        return Answers(
            np.repeat(points, size, axis=0),
            np.tile(np.arange(size), n),
            labels=None if size == 1 else np.repeat(named_classes(values), size),
            values=values.reshape(-1),
            explanations=gradients.reshape(n * size, -1),
            attribution=self.attribution,
        )

    def _answer(self, points: Array, output: int) -> tuple[Array, Array]:
        return self.victim.values_and_gradients(points, output)
