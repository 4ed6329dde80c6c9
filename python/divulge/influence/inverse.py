"""The inverse of the damped curvature, by whichever solver was asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from divulge.influence.arguments import Curvature, SolverName
from divulge.influence.combined import ShardedOperator
from divulge.influence.errors import NotConverged, UnresolvedDamping
from divulge.influence.kronecker import KroneckerCurvature, fit_kronecker, rounding
from divulge.influence.leave_one_out import OneLayerForms
from divulge.influence.losses import Loss, LossFunction
from divulge.influence.modes import gradients_on
from divulge.influence.native import NativeOperator
from divulge.influence.operators import Array, CurvatureName, Operator, blocks
from divulge.influence.samples import Samples
from divulge.influence.solvers import (
    ConjugateGradients,
    Direct,
    Lissa,
    LowRank,
    Matrix,
    Solution,
    Solved,
    Solver,
    arnoldi,
    nystroem,
    placed,
)

__all__ = ["DampedInverse", "SolverOptions"]

# Numbers in a block of vectors that a solver holds at once, and vectors at most.
_BLOCK_NUMBERS, _BLOCK_VECTORS = 1 << 22, 64
# Samples whose inverse products show how exact a closed form is.
_SOLVED = 4
# Of a K-FAC or EK-FAC solution's scores, rounding by its own estimate; of scores off by 1 % it was 2e-4.
_MOST_ROUNDING = 1e-4


@dataclass(frozen=True)
class SolverOptions:
    """How H x = b is solved; see `Influence` for each."""

    curvature: Curvature
    solver: SolverName
    damping: float
    weight_decay: float
    tolerance: float
    max_iterations: int
    rank: int
    batch_size: int
    seed: int


class DampedInverse:
    """H^-1 = (C + (weight decay + damping) I)^-1 applied to blocks of vectors.

    Args:
        operator: of the training data.
        loss: of the samples.
        options: curvature and solver.

    Attributes:
        solution: residuals and iterations of the last solve, or None.
    """

    def __init__(self, operator: Operator, loss: Loss, options: SolverOptions) -> None:
        self.operator, self.loss, self.options = operator, loss, options
        self.solution: Solution | None = None

    @property
    def vectors_a_block(self) -> int:
        """How many vectors are solved for at once."""
        return max(1, min(_BLOCK_VECTORS, _BLOCK_NUMBERS // self.operator.parameters))

    @cached_property
    def matrix(self) -> Matrix:
        """The damped curvature of all samples."""
        return self._matrix_of(self.operator)

    @cached_property
    def kronecker(self) -> KroneckerCurvature | None:
        """The fitted K-FAC or EK-FAC curvature, None where another was asked for."""
        options = self.options
        if options.curvature not in ("kfac", "ekfac"):
            return None
        shift = options.damping + options.weight_decay
        return fit_kronecker(self.operator, self.loss, shift, options.curvature == "ekfac", options.seed)

    @cached_property
    def forms(self) -> OneLayerForms | None:
        """The closed forms of one layer, where the direct solver has the inverse."""
        layer = self._one_layer
        if layer is None or not isinstance(self.solver, Direct):
            return None
        return OneLayerForms(layer, self.solver.inverse())

    @cached_property
    @gradients_on()
    def solver(self) -> Solver:
        """What solves, factorised where it factorises.

        Raises:
            SingularCurvature: H is not positive definite.
        """
        if self.kronecker is not None:
            return self.kronecker
        matrix, options = self.matrix, self.options
        if options.solver == "direct":
            return Direct(matrix, options.tolerance, self._dense_hessian)
        if options.solver == "lissa":
            return Lissa(
                matrix,
                self._batch_matrix,
                self.operator.rows,
                options.tolerance,
                options.batch_size,
                options.max_iterations,
                options.seed,
            )
        if options.solver in ("arnoldi", "nystroem"):
            build = arnoldi if options.solver == "arnoldi" else nystroem
            return build(matrix, options.rank, options.tolerance, options.seed)
        return ConjugateGradients(matrix, options.tolerance, options.max_iterations, options.seed)

    def solve(self, vectors: Array) -> Solution:
        """Return H^-1 b for rows b (m, P), moved to the operator's device once and back once.

        Rows are scaled by powers of two to numbers below 1, so that squares of none are lost or infinite.
        """
        return self._scaled(vectors, self.solver.solve)

    def _scaled(self, vectors: Array, solve: Callable[[Tensor], Solved]) -> Solution:
        most = np.maximum(vectors.max(axis=1, keepdims=True), -vectors.min(axis=1, keepdims=True))
        powers = np.frexp(most)[1]
        with gradients_on():  # so that the caller's inference mode is not that of the vectors
            block = placed(np.ldexp(vectors, -powers), self.operator.device, vectors.dtype)
            found = solve(block).solution()
        np.ldexp(found.vectors, powers, out=found.vectors)
        self.solution = found
        return found

    def checked(self, solution: Solution) -> Array:
        """Return its vectors, with a warning where the tolerance was not reached, or says too little."""
        if not solution.converged.all():
            name, tolerance = (
                (self.options.solver, self.options.tolerance)
                if self.kronecker is None
                else (self.options.curvature, rounding(solution.vectors.dtype))
            )
            warnings.warn(
                f"{name} left {(~solution.converged).sum()} of {len(solution.vectors)} solutions "
                f"with a relative residual above {tolerance:g} (the largest is "
                f"{float(solution.residual.max()):.2g}); more damping or another solver would help",
                NotConverged,
                stacklevel=4,
            )
        elif self.kronecker is not None:
            self._check_resolved(self.kronecker, solution.vectors)
        return solution.vectors

    def _check_resolved(self, kronecker: KroneckerCurvature, solved: Array) -> None:
        """Warn where scores are rounding along directions that the damping alone holds back."""
        options, precision = self.options, self.operator.dtype
        epsilon, damped = float(np.finfo(precision).eps), kronecker.shift / (kronecker.largest or 1)
        if damped >= epsilon:
            return  # with so much, hardly any were off by more than 1 %
        share = kronecker.rounding_share(placed(solved, self.operator.device), precision)
        # Of K-FAC's values those that should be mean squares of rounding may be 0, which says nothing of it.
        if share > _MOST_ROUNDING or (options.curvature == "kfac" and damped < epsilon**2):
            warnings.warn(
                f"with damping={options.damping:g} scores may be rounding errors: {options.curvature} weighs "
                f"directions that gradients in {precision} do not resolve, of the largest eigenvalue "
                f"{kronecker.largest:.2g}; more damping, or double precision (module.double()), would help",
                UnresolvedDamping,
                stacklevel=5,
            )

    def solutions(self, samples: Samples, function: LossFunction) -> Iterator[tuple[slice, Any]]:
        """Yield blocks of test points with their H^-1 grad f (k, P)."""
        for rows in blocks(len(samples), self.vectors_a_block):
            yield (
                rows,
                self.checked(self._solved_at(samples.take(np.arange(rows.start, rows.stop)), function)),
            )

    def _solved_at(self, samples: Samples, function: LossFunction) -> Solution:
        """Return H^-1 grad f (k, P) of a block of test points.

        Where a closed form holds in the gradients' precision and torch computes, these are made in its basis.
        """
        kronecker = self.kronecker  # fitted first, so that gradients are made of what layers see
        projections = getattr(self.operator, "kronecker_projections", None)
        if kronecker is None or projections is None or not kronecker.holds_in(self.operator.dtype):
            return self.solve(self._gradients(samples, function))
        parts = list(projections(samples, function, kronecker.inner, kronecker.outer))
        return self._scaled(np.concatenate(parts), kronecker.solve_turned)

    def _gradients(self, samples: Samples, function: LossFunction) -> Array:
        """Return test points' grad f (k, P) in the precision in which they are solved for.

        That is their own for a closed form where the damping is not too small for it; iterations need more
        than single precision.
        """
        kronecker = self.kronecker
        gradients = self.operator.gradients(samples, function)
        own = kronecker is not None and kronecker.holds_in(gradients.dtype)
        return gradients if own else gradients.astype(np.float64)

    def self_influence(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return grad L(z_i)' H^-1 grad L(z_i) (k,) of training samples.

        In float64: single precision loses squares of small gradients.

        Of closed forms a few are solved for too, so that it is said where they are not exact.
        """
        operator, closed = self.operator, self.kronecker or self.forms
        low_rank = closed is None and isinstance(self.solver, LowRank)
        if len(rows) and (closed is not None or low_rank):
            self.checked(self.solve(operator.loss_gradients(rows[:_SOLVED]).astype(np.float64)))
        if closed is not None:
            return np.asarray(closed.self_influence(operator)[rows], np.float64)
        out = np.empty(len(rows))
        for part in blocks(len(rows), self.vectors_a_block):
            g = operator.loss_gradients(rows[part]).astype(np.float64)
            out[part] = (
                self._quadratic(g) if low_rank else np.einsum("ij,ij->i", g, self.checked(self.solve(g)))
            )
        return out

    def self_influence_roots(self) -> NDArray[np.float64]:
        """Return the roots (n,) of all training samples' self-influence.

        Raises:
            ValueError: one is negative or not a number.
        """
        own = self.self_influence(np.arange(self.operator.rows))
        wrong = np.flatnonzero(~(own >= 0))
        if len(wrong):
            raise ValueError(
                f"relative scores divide by the root of self-influence, got {own[wrong[0]]:.2g} of training "
                f"sample {wrong[0]}; more damping or another solver would help"
            )
        return np.sqrt(own)

    def _quadratic(self, gradients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return g' H^-1 g (k,) by the low rank solver's approximation, without a product."""
        low_rank: Any = self.solver
        found: NDArray[np.float64] = low_rank.quadratic(placed(gradients, self.operator.device)).cpu().numpy()
        return found

    @property
    def _one_layer(self) -> NativeOperator | None:
        """The operator where it is a generalised linear model."""
        native = self.operator
        return native if isinstance(native, NativeOperator) and native.depth == 1 else None

    @property
    def _dense_hessian(self) -> NDArray[np.float64] | None:
        """The whole Hessian where there is a shorter way than products."""
        if isinstance(self.operator, ShardedOperator):
            return self.operator.dense_hessian()
        layer = self._one_layer
        return None if layer is None else layer.core.dense_hessian()

    def _batch_matrix(self, rows: NDArray[np.int64]) -> Matrix:
        return self._matrix_of(self.operator.subset(rows))

    def _matrix_of(self, operator: Operator) -> Matrix:
        """Return the damped curvature of an operator."""
        options = self.options
        kind: CurvatureName = "hessian" if options.curvature == "hessian" else "gauss_newton"

        return Matrix(
            operator.parameters,
            options.damping + options.weight_decay,
            options.damping,
            self.kronecker.multiply if self.kronecker else partial(operator.products, kind),
            "Hessian" if kind == "hessian" else "Gauss-Newton matrix",
            operator.device,
        )
