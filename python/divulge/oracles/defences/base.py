"""What all defences have in common: they pass questions on and change the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from divulge.arrays import Array
from divulge.oracles.base import Oracle
from divulge.oracles.explained import Answers
from divulge.points import as_matrix, check_finite

if TYPE_CHECKING:
    from divulge.points import Points
    from divulge.victims import Victim


class Defence(Oracle):
    """An oracle that asks another one and changes its answers; the other one's ledger counts.

    Args:
        oracle: what is defended, a defended oracle too.
        gradients: False where what it does to gradients leaves none that an attack could use as such; `query`
            returns values alone then.

    Raises:
        TypeError: `oracle` is no oracle.

    Attributes:
        oracle: what is defended.
    """

    def __init__(self, oracle: Oracle, *, gradients: bool = True) -> None:
        if not isinstance(oracle, Oracle):
            raise TypeError(f"expected an oracle to defend, got {type(oracle).__name__}")
        super().__init__(
            input_size=oracle.input_size,
            output_size=oracle.output_size,
            output=oracle.output,
            dtype=oracle.dtype,
            domain=oracle.domain,
            kind=oracle.kind,
            has_values=oracle.has_values,
            has_gradients=oracle.has_gradients and gradients,
        )
        self.oracle = oracle
        self.input_shape = oracle.input_shape
        self.ledger = oracle.ledger
        self.attribution = oracle.attribution
        self.all_at_once = oracle.all_at_once
        self.names_outputs = oracle.names_outputs
        self.knows_top = oracle.knows_top
        self.first_logit_hidden = oracle.first_logit_hidden

    @property
    def victim(self) -> Victim | None:
        """The victim behind it, where it is at hand."""
        return getattr(self.oracle, "victim", None)

    @property
    def has_explanations(self) -> bool:
        """As the oracle that is defended."""
        return self.oracle.has_explanations

    def explain(self, points: Points, output: ArrayLike | None = None) -> Answers:
        """Ask what the defended API returns with a prediction; see `Oracle.explain`."""
        return self.damaged(self.oracle.explain(self._admit(points), output))

    def damaged(self, answers: Answers) -> Answers:
        """Return answers as the defence lets them out."""
        return answers

    def _admit(self, points: Points) -> Array:
        """Check points (n, d); the oracle that is asked charges for them."""
        matrix = as_matrix(points, self.input_size)
        check_finite(matrix)
        return matrix if self._box is None else self._box.admit(matrix)

    def _price(self, n: int) -> int:
        return self.oracle._price(n)

    def _answer(self, points: Array, output: int) -> tuple[Array | None, Array | None]:
        values, gradients = self.oracle.query(points, output)
        told = Answers(
            points,
            np.full(len(points), output),
            values=values,
            explanations=gradients if self.has_gradients else None,
        )
        let_out = self.damaged(told)
        return let_out.values, let_out.explanations
