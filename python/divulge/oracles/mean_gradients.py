"""What integrated gradients and SmoothGrad tell of a network: means of its gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from divulge.arrays import Array
from divulge.attributions.methods import IntegratedGradients, SmoothGrad
from divulge.attributions.of_module import ExactIntegratedGradients
from divulge.oracles.base import Oracle
from divulge.points import as_matrix, check_finite

if TYPE_CHECKING:
    from divulge.points import Points

MEANS = (IntegratedGradients, ExactIntegratedGradients, SmoothGrad)
_NUDGE = 1e-30  # the least way off a baseline's coordinate, where x would be at it


class MeanGradientOracle(Oracle):
    """Answers about u with f_k(b + u) and the mean gradient that an explanation of another oracle holds.

    Integrated gradients are u times the mean over m steps of df_k/dx at b + a u, or over the whole way.
    Divided by u they are the gradient in u of the mean of f(b + a u) / a: of a network in which every unit
    appears m times. A number of
    u that is 0 tells nothing, and is moved off 0 a little. SmoothGrad is the mean around the input as it is;
    its b is 0. Far out both are the gradient there, up to steps and noise that fall across a kink.

    Args:
        oracle: tells integrated gradients or SmoothGrad, of all of R^d, and its ledger counts. One that
            tells of its own output alone is answered for as a model of one output.

    Raises:
        TypeError: it tells neither.
        ValueError: it answers in a box alone, or its baseline has another shape.

    Attributes:
        explained: the other oracle.
        along: whether the mean is one on the way from b to b + u, and not SmoothGrad's.
        steps: m; None of the whole way, and of SmoothGrad.
        baseline: b, shape (d,).
    """

    def __init__(self, oracle: Oracle) -> None:
        attribution = oracle.attribution
        if not (oracle.has_explanations and isinstance(attribution, MEANS)):
            raise TypeError(
                f"expected an oracle of integrated gradients or of SmoothGrad, got one of {oracle.kind}"
            )
        import torch

        if oracle.domain is not None:
            raise ValueError("expected an oracle that answers in all of R^d, got one of a box")
        super().__init__(
            input_size=oracle.input_size,
            output_size=oracle.output_size if oracle.names_outputs else 1,
            output=oracle.output if oracle.names_outputs else 0,
            dtype=oracle.dtype,
            kind=oracle.kind,
            has_values=oracle.has_values,
            has_gradients=True,
        )
        self.explained = oracle
        self.along = not isinstance(attribution, SmoothGrad)
        self.steps = attribution.steps if isinstance(attribution, IntegratedGradients) else None
        base = np.asarray(getattr(attribution, "baseline", 0.0), np.float64).reshape(-1)
        self.baseline = np.array(np.broadcast_to(base, (oracle.input_size,)))
        self._spacing = float(torch.finfo(oracle.dtype).eps)
        self.ledger = oracle.ledger

    def _answer(self, points: Array, output: int) -> tuple[Array | None, Array]:
        nudge = np.maximum(2 * self._spacing * np.abs(self.baseline), _NUDGE)
        inputs = self.baseline + np.where(points == 0, nudge, points)
        told = self.explained.explain(inputs, output if self.explained.names_outputs else None)
        assert told.explanations is not None
        factor = self.explained.attribution.factor(inputs)
        assert factor is not None
        return told.values, told.explanations / np.where(factor == 0, 1.0, factor)

    def _admit(self, points: Points) -> Array:
        """Check points (n, d); the oracle that is asked charges for them."""
        matrix = as_matrix(points, self.input_size)
        check_finite(matrix)
        return matrix
