"""DataInf: the inverse curvature of each tensor as a mean of inverses, one a sample."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from divulge.influence.influence import Influence
from divulge.influence.losses import LossFunction
from divulge.influence.operators import Array
from divulge.influence.task import Task

__all__ = ["DataInf"]


class DataInf:
    """Influence by the mean of the inverses in the place of the inverse of the mean (Kwon et al. 2024).

    For each parameter tensor of d numbers, with g_i the samples' gradients by it and
    l = damping mean |g_i|^2 / d,

        scores[t, i] = - sum over tensors of grad f(t)' (1/n) sum_j (g_j g_j' + l I)^-1 g_i.

    All samples' gradients are in memory, (n, P). Made for adapters of low rank; on whole models it is a
    baseline.

    Args:
        module: as for `Influence`, like the next four.
        train: the training data.
        task: how the module is called, and its loss.
        loss: of the samples.
        parameters: names of those in question.
        damping: in shares of the mean square of a gradient's numbers.

    Raises:
        ValueError: damping not above 0.
    """

    def __init__(
        self,
        module: nn.Module,
        train: Any,
        *,
        task: Task | None = None,
        loss: str | LossFunction = "cross_entropy",
        parameters: Sequence[str] | None = None,
        damping: float = 0.1,
    ) -> None:
        _check_damping(damping)
        self._base = Influence(module, train, task=task, loss=loss, parameters=parameters)
        self.damping = float(damping)
        self._gradients: Array = self._base.gradients(self._base.train, "loss")

    def scores(self, test: Any, of: str | LossFunction | None = None) -> Array:
        """Return scores (m, n), above zero where up-weighting a sample would harm the test point."""
        asked = self._base.gradients(test, of)
        total: NDArray[np.float64] = np.zeros((len(asked), len(self._gradients)))
        begin = 0
        for tensor in self._base._prepared.snapshot.tensors:
            part = slice(begin, begin + tensor.numel())
            total -= self._products(asked[:, part], self._gradients[:, part])
            begin = part.stop
        return total.astype(self._gradients.dtype)

    def _products(self, asked: Array, samples: Array) -> NDArray[np.float64]:
        """Return v_t' (1/n) sum_j (g_j g_j' + l I)^-1 g_i (m, n) of one tensor; 0 where all g_i are 0."""
        n, d = samples.shape
        along, gram = (asked @ samples.T).astype(np.float64), (samples @ samples.T).astype(np.float64)
        squares = np.diag(gram)
        level = self.damping * squares.mean() / d
        if level == 0:
            return np.zeros_like(along)
        return np.asarray((along - (along / (level + squares)) @ gram / n) / level)


def _check_damping(damping: Any) -> None:
    number = isinstance(damping, Real) and not isinstance(damping, bool)
    if not number or not 0 < damping < float("inf"):
        raise ValueError(f"expected damping above 0, got {damping!r}")
