"""The oracle of an API that explains a prediction by input times gradient."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from divulge.arrays import Array, Index
from divulge.attributions.methods import InputTimesGradient
from divulge.oracles.base import Domain
from divulge.oracles.explained import Answers
from divulge.oracles.victim import VictimOracle

if TYPE_CHECKING:
    from divulge.points import Points
    from divulge.victims import Victim

# Stands for a coordinate that is 0. Added to anything of ordinary size it changes no digit, and the product
# with a gradient is far from underflow, in float32 too.
_TINY = 1e-20


class InputTimesGradientOracle(VictimOracle):
    """Answers with the value f_k(x) and the attribution x * df_k/dx of one chosen output k of a victim.

    `attributions` returns what the API returns. `query` divides by x and so returns gradients; where a
    coordinate is 0 the attribution is 0 whatever the gradient, and `query` asks with 1e-20 in its place (with
    -1e-20 where the domain ends at 0).

    Args:
        victim: the model under study.
        output: k, where a query names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the attribution alone.

    Raises:
        ValueError: there is no such output, the domain is empty, or the budget negative.
    """

    attribution = InputTimesGradient()

    def __init__(
        self,
        victim: Victim,
        *,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
    ) -> None:
        super().__init__(victim, output, domain, budget, kind="input_times_gradient", values=values)

    def attributions(self, points: Points, output: int | None = None) -> tuple[Array | None, Array]:
        """Ask for attributions of a batch of points, shape (n, d); each counts as one query.

        Returns:
            Values, shape (n,), or None where the API gives none; x * df_k/dx, shape (n, d). Both float64,
            computed in the victim's precision.

        Raises:
            ValueError: the points have another shape, are not finite or lie outside the domain.
            BudgetExhausted: the budget does not cover all n points; nothing was asked.
        """
        output = self.output if output is None else self._check_output(output)
        values, products = self._attribute(self._admit(points), output)
        return values if self.has_values else None, products

    def _explain(self, points: Array, outputs: Index | None) -> Answers:
        answers = super()._explain(points, outputs)  # with gradients, the zeros moved a little
        assert answers.explanations is not None
        return replace(answers, explanations=points * answers.explanations)

    def _attribute(self, points: Array, output: int) -> tuple[Array, Array]:
        values, gradients = self.victim.values_and_gradients(points, output)
        x = self.victim.as_points(points)
        return values, np.asarray(x * gradients.astype(x.dtype), np.float64)

    def _answer(self, points: Array, output: int) -> tuple[Array, Array]:
        asked = self._without_zeros(points)
        values, products = self._attribute(asked, output)
        return values, products / self.victim.as_points(asked)

    def _without_zeros(self, points: Array) -> Array:
        upper = np.inf if self._box is None else self._box.high
        return np.where(np.abs(points) < _TINY, np.where(upper <= 0, -_TINY, _TINY), points)
