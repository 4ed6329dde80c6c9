"""What a model loses with a whole group of its training samples."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from divulge.conventions import OnProgress
from divulge.influence.arguments import check_rows
from divulge.influence.influence import Influence
from divulge.influence.losses import LossFunction
from divulge.influence.modes import gradients_on
from divulge.influence.operators import Array, blocks
from divulge.influence.solvers import ConjugateGradients, Direct, Matrix, placed

__all__ = ["leave_groups_out"]

Method = Literal["first", "second", "newton"]
_METHODS = ("first", "second", "newton")
_ROWS = 256


def leave_groups_out(
    influence: Influence,
    test: Any,
    groups: Any,
    *,
    method: Method = "newton",
    of: str | LossFunction | None = None,
    mean: Literal["all", "kept"] = "all",
    progress: OnProgress | None = None,
) -> Array:
    """Return the predicted change (m, G) of each test loss when a group of samples is left out at once.

    Without the group U the objective is J - (1/n) sum over U of L, its gradient at the trained parameters -b,
    b = (1/n) sum over U of grad L, and its curvature H - E, E = (1/n) sum over U of the samples' curvatures.
    The parameters move by

        first:   H^-1 b, the sum of the samples' influences
        second:  H^-1 b + H^-1 E H^-1 b, what Basu et al. add, without third derivatives
        newton:  (H - E)^-1 b, one Newton step with the group's curvature taken out

    and f by grad f times that. The second order is the start of the Newton step's series in H^-1 E, which
    fails where a group holds most of the curvature in some direction.

    Args:
        influence: of the trained model, which is taken to be a minimum of its objective.
        test: as in `Influence.scores`.
        groups: G lists of training samples, which may overlap.
        method: see above; "second" and "newton" need the curvature of the group alone: "hessian",
            "gauss_newton" or "fisher".
        of: as in `Influence.scores`.
        mean: "all": the loss stays (1/n) times a sum, as in `Influence.leave_one_out`, so that weight decay
            counts as before; "kept": the mean over the samples that are kept, as training again without the
            group has it: beside their sum the weight decay counts (n - |U|) / n times as much.
        progress: called after each group.

    Returns:
        Changes; after Ctrl-C NaN for groups that were not reached, with a warning.

    Raises:
        ValueError: no group, one of no samples or of all, or a curvature without that of a group;
            SingularCurvature, also a ValueError, where H - E is not positive definite.

    Source:
        S. Basu, X. You, S. Feizi, "On second-order group influence functions for black-box predictions",
        2020.
    """
    if method not in _METHODS:
        raise ValueError(f"expected a method {', '.join(_METHODS)}, got {method!r}")
    if mean not in ("all", "kept"):
        raise ValueError(f"expected mean= all or kept, got {mean!r}")
    if method != "first" and influence.curvature in ("kfac", "ekfac"):
        raise ValueError(
            f"curvature={influence.curvature!r} has no part that belongs to a group; use method='first', or "
            "curvature='gauss_newton'"
        )
    if influence._sharded:
        raise ValueError("leave_groups_out needs all training samples in one process, these are sharded")
    gradients = influence.gradients(test, of).astype(np.float64)
    members = _members(groups, influence.operator.rows)
    changes = np.full((len(gradients), len(members)), np.nan)
    try:
        for done, rows in enumerate(members, 1):
            changes[:, done - 1] = gradients @ _Removal(influence, rows, mean == "kept").step(method)
            if progress is not None:
                progress(done, len(members))
    except KeyboardInterrupt:
        known = int(np.isfinite(changes).all(axis=0).sum())
        warnings.warn(
            f"interrupted: {known} of {len(members)} changes are known, the others NaN", stacklevel=2
        )
    return changes.astype(influence.operator.dtype)


def _members(groups: Any, rows: int) -> list[NDArray[np.int64]]:
    """Return each group's samples, each once, ascending.

    Raises:
        ValueError: no group, or one of no samples or of all.
    """
    found = [np.unique(check_rows(np.asarray(group), rows)) for group in groups]
    if not found:
        raise ValueError("expected at least one group, got none")
    for number, group in enumerate(found):
        if not 0 < len(group) < rows:
            raise ValueError(f"expected groups of 1 to {rows - 1} samples, group {number} has {len(group)}")
    return found


@dataclass(frozen=True)
class _Removal:
    """One group, and what leaves the objective with it.

    Attributes:
        influence: of the trained model.
        rows: the group.
        kept: whether the mean goes over the samples that are kept.
    """

    influence: Influence
    rows: NDArray[np.int64]
    kept: bool

    @property
    def share(self) -> float:
        """|U| / n."""
        return len(self.rows) / self.influence.operator.rows

    @property
    def decay(self) -> float:
        """The weight decay that leaves the objective."""
        return self.influence.weight_decay * self.share if self.kept else 0.0

    @gradients_on()
    def step(self, method: Method) -> NDArray[np.float64]:
        """Return by how much the parameters move (P,)."""
        inverse, pull = self.influence._inverse, self._pull()

        def solved(vectors: Array) -> Array:
            return inverse.checked(inverse.solve(vectors))

        if method == "newton":
            return self._newton(pull)
        first = solved(pull[None])
        if method == "first":
            return np.asarray(first[0])
        return np.asarray((first + solved(self._curvature(first)))[0])

    def _pull(self) -> NDArray[np.float64]:
        """Return b (P,)."""
        operator = self.influence.operator
        total = np.zeros(operator.parameters)
        for part in blocks(len(self.rows), _ROWS):
            total += operator.loss_gradients(self.rows[part]).sum(axis=0, dtype=np.float64)
        pull = total / operator.rows
        if self.decay:
            parts = [tensor.detach().cpu().flatten() for tensor in self.influence._prepared.snapshot.tensors]
            pull = pull + self.decay * np.concatenate([part.double().numpy() for part in parts])
        return np.asarray(pull)

    def _curvature(self, vectors: ArrayLike) -> NDArray[np.float64]:
        """Return E v (m, P) for vectors (m, P)."""
        block = np.asarray(vectors, np.float64)
        kind: Any = "hessian" if self.influence.curvature == "hessian" else "gauss_newton"
        group = self._group
        products = group.products(kind, placed(block, group.device)).cpu().numpy()
        return np.asarray(self.share * products + self.decay * block)

    @property
    def _group(self) -> Any:
        return self.influence.operator.subset(self.rows)

    def _newton(self, pull: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (H - E)^-1 b."""
        influence = self.influence
        whole, group = influence._inverse.matrix, self._group
        kind: Any = "hessian" if influence.curvature == "hessian" else "gauss_newton"

        def multiply(v: Tensor) -> Tensor:
            left: Tensor = self.share * group.products(kind, v)
            return whole.multiply(v) - left - self.decay * v

        name = f"{whole.name} without the group"
        matrix = Matrix(whole.size, whole.shift, whole.damping, multiply, name, whole.device)
        tolerance, iterations, seed = influence.tolerance, influence._limits[0], influence._limits[3]
        solver: Any = (
            Direct(matrix, tolerance)
            if influence.solver == "direct"
            else ConjugateGradients(matrix, tolerance, iterations, seed)
        )
        return np.asarray(solver.solve(placed(pull[None], whole.device)).solution().vectors[0])
