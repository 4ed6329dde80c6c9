"""Closed forms for a chain of one layer: self-influence and one Newton step without a sample."""

from __future__ import annotations

import numpy as np

from divulge.influence.native import NativeOperator
from divulge.influence.operators import Array, Operator, blocks
from divulge.influence.solvers.solution import Floats

__all__ = ["OneLayerForms"]

_ROWS = 4096


class OneLayerForms:
    """What the inverse Hessian of z = W x + b gives for every training sample at once.

    With g_i = J_i' delta_i, J_i (K, P) the Jacobian of sample i's outputs, M_i = J_i H^-1 J_i' and A_i the
    Hessian of its loss by the outputs:

    - self-influence g_i' H^-1 g_i = delta_i' M_i delta_i
    - one Newton step without sample i moves the parameters by (H - J_i' A_i J_i / n)^-1 g_i / n
      = H^-1 J_i' (I - A_i M_i / n)^-1 delta_i / n

    Args:
        operator: of one layer.
        inverse: H^-1 (P, P), lower triangle.
    """

    def __init__(self, operator: NativeOperator, inverse: Floats) -> None:
        self._operator = operator
        self.rows = operator.rows
        outputs, deltas, _ = operator.core.evaluate()
        k = outputs.shape[1]
        m, a = operator.core.leverages(inverse)
        self.deltas: Floats = deltas.astype(np.float64)
        self.leverages: Floats = m.reshape(-1, k, k).astype(np.float64)
        self.loss_hessians: Floats = a.reshape(-1, k, k).astype(np.float64)

    def self_influence(self, _: Operator | None = None) -> Floats:
        """Return g_i' H^-1 g_i (n,)."""
        quadratic: Floats = np.einsum("na,nab,nb->n", self.deltas, self.leverages, self.deltas)
        return quadratic

    def changes(self, solutions: Floats) -> Array:
        """Return the changes (m, n) of functions whose inverse products H^-1 grad f are (m, P)."""
        shrink = np.eye(self.deltas.shape[1]) - self.loss_hessians @ self.leverages / self.rows
        steps = np.linalg.solve(shrink, self.deltas[:, :, None])[:, :, 0] / self.rows
        out = np.empty((len(solutions), self.rows), self._operator.dtype)
        for rows in blocks(self.rows, _ROWS):
            for row, solution in zip(out, solutions, strict=True):
                projected = self._operator.linear_outputs(solution, rows)
                row[rows] = np.einsum("na,na->n", projected, steps[rows])
        return out
