"""The oracle of an API that returns the probabilities of all classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from divulge.arrays import Array, Index
from divulge.attributions.methods import ProbabilityGradient
from divulge.errors import OracleError
from divulge.oracles.base import Domain, Oracle
from divulge.oracles.explained import Answers
from divulge.oracles.victim import VictimOracle
from divulge.training.class_scores import named_classes

if TYPE_CHECKING:
    from divulge.points import Points
    from divulge.victims import Victim


class ProbabilityOracle(VictimOracle):
    """Answers with the probabilities p = softmax(f(x)) of all classes, with gradients=True also dp_k/dx.

    Probabilities are smooth, but differences of their logarithms are differences of logits: `log_odds`
    turns this oracle into one that is piecewise linear.

    Args:
        victim: the model under study; its K outputs are taken for logits, one output z for the logits (0, z)
            of two classes. Outputs that are probabilities (`Victim.tells_probabilities`) are told as they
            are, one output p as (1 - p, p).
        output: k, where a query names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        gradients: whether an answer holds the input gradient of one probability besides all K probabilities.

    Raises:
        ValueError: there is no such output, the domain is empty, or the budget negative.
    """

    attribution = ProbabilityGradient()

    def __init__(
        self,
        victim: Victim,
        *,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        gradients: bool = False,
    ) -> None:
        super().__init__(
            victim,
            output,
            domain,
            budget,
            kind="probability",
            gradients=gradients,
            least_outputs=2,
        )

    def probabilities(self, points: Points) -> Array:
        """Ask for all probabilities of a batch of points, shape (n, d); each counts as one query.

        Returns:
            Shape (n, K), float64, computed in the victim's precision.

        Raises:
            ValueError: the points have another shape, are not finite or lie outside the domain.
            BudgetExhausted: the budget does not cover all n points; nothing was asked.
        """
        return self._probabilities(self._admit(points))

    def log_odds(self) -> LogOdds:
        """Return the oracle of log p_k - log p_0, which draws on the ledger and the domain of this one."""
        return LogOdds(self)

    def _answer(self, points: Array, output: int) -> tuple[Array, Array | None]:
        p = self._probabilities(points)
        return p[:, output], self._gradients(points, p, output) if self.has_gradients else None

    def _explain(self, points: Array, outputs: Index | None) -> Answers:
        p = self._probabilities(points)
        labels = named_classes(p)
        outputs = labels if outputs is None else outputs
        answers = Answers(points, outputs, labels, probabilities=p)
        if not self.has_gradients:
            return answers
        gradients = np.zeros(points.shape)
        for output in np.unique(outputs):
            rows = outputs == output
            gradients[rows] = self._gradients(points[rows], p[rows], int(output))
        return replace(answers, explanations=gradients, attribution=self.attribution)

    def _probabilities(self, points: Array) -> Array:
        """Softmax in the victim's precision, shape (n, K)."""
        logits = self.victim.values(points)
        alone = self.victim.output_size == 1
        if self.victim.tells_probabilities:
            return np.concatenate([1 - logits, logits], axis=1) if alone else logits
        if alone:
            logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
        logits = logits.astype(np.float32 if self.dtype == torch.float32 else np.float64)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float64)

    def _gradients(self, points: Array, p: Array, output: int) -> Array:
        """Return dp_k/dx = p_k sum_j p_j (df_k/dx - df_j/dx), exact also where p_k is nearly 1."""
        if self.victim.tells_probabilities:
            alone = self.victim.output_size == 1
            told = self.victim.values_and_gradients(points, 0 if alone else output)[1]
            return -told if alone and output == 0 else told
        mine = self._logit_gradients(points, output)
        total = np.zeros_like(mine)
        for other in range(p.shape[1]):
            if other != output:
                total += p[:, other, None] * (mine - self._logit_gradients(points, other))
        return np.asarray(p[:, output, None] * total)

    def _logit_gradients(self, points: Array, k: int) -> Array:
        if self.victim.output_size > 1:
            return self.victim.values_and_gradients(points, k)[1]
        return self.victim.values_and_gradients(points, 0)[1] if k else np.zeros_like(points)


class LogOdds(Oracle):
    """Log-odds of a victim's classes against class 0, made of an oracle's probabilities.

    Output k is log p_{k + 1} - log p_0 = f_{k + 1} - f_0, K - 1 outputs in all: piecewise linear where the
    logits are. A value costs one query. So does a gradient with two classes, where dp_1 = -dp_0; with more it
    costs two queries, dp_{k + 1}/dx and dp_0/dx.

    Args:
        oracle: whose probabilities are asked; its ledger counts the queries.
    """

    first_logit_hidden = True

    def __init__(self, oracle: ProbabilityOracle) -> None:
        self.oracle = oracle
        assert oracle.output_size is not None
        super().__init__(
            input_size=oracle.input_size,
            output_size=oracle.output_size - 1,
            dtype=oracle.dtype,
            domain=oracle.domain,
            kind=oracle.kind,
            has_values=True,
            has_gradients=oracle.has_gradients,
        )
        self.ledger = oracle.ledger
        self.input_shape = oracle.input_shape

    def probabilities(self, points: Points) -> Array:
        """Ask for the probabilities of all classes, shape (n, K); each point counts as one query."""
        return self.oracle.probabilities(points)

    def _price(self, n: int) -> int:
        return 2 * n if self.has_gradients and self.oracle.output_size != 2 else n

    def _answer(self, points: Array, output: int) -> tuple[Array, Array | None]:
        p = self.oracle._probabilities(points)
        first, chosen = p[:, 0], p[:, output + 1]
        gone = np.argwhere(np.stack([first, chosen], axis=1) == 0)
        if len(gone):
            row, which = gone[0]
            raise OracleError(
                f"the probability of class {output + 1 if which else 0} is 0 for point {row} of "
                f"{len(points)}, which leaves it without log-odds"
            )
        values = np.log(chosen) - np.log(first)
        return values, self._gradients(points, p, output) if self.has_gradients else None

    def _gradients(self, points: Array, p: Array, output: int) -> Array:
        """Gradients of log p_{k + 1} - log p_0, with one query's gradient where there are two classes."""
        chosen = self.oracle._gradients(points, p, output + 1) / p[:, output + 1, None]
        if p.shape[1] == 2:
            return np.asarray(chosen / p[:, :1])
        return np.asarray(chosen - self.oracle._gradients(points, p, 0) / p[:, :1])
