"""What `Influence` accepts."""

from __future__ import annotations

from numbers import Real
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from divulge.influence.parts import leaves

__all__ = [
    "Curvature",
    "SolverName",
    "check_alike",
    "check_choice",
    "check_numbers",
    "check_rows",
    "default_tolerance",
    "named",
    "vector_block",
]

Curvature = Literal["hessian", "gauss_newton", "fisher", "kfac", "ekfac"]
SolverName = Literal["cg", "direct", "lissa", "arnoldi", "nystroem"]

_CURVATURES = ("hessian", "gauss_newton", "fisher", "kfac", "ekfac")
_SOLVERS = ("cg", "direct", "lissa", "arnoldi", "nystroem")


def check_alike(test: Any, train: Any, *, whole: bool) -> None:
    """Raise ValueError where test inputs have another form than those that were trained on.

    Args:
        test: (m, *shape), or a dict or tuple of such.
        train: (n, *shape) likewise.
        whole: whether the training inputs' whole numbers stay whole.
    """
    given, known = dict(leaves(test)), dict(leaves(train))
    if given.keys() != known.keys():
        raise ValueError(
            f"expected test inputs{','.join(known)} like the training data, "
            f"got{','.join(given) or ' one array'}"
        )
    for name, part in given.items():
        expected = known[name]
        if part.shape[1:] != expected.shape[1:]:
            raise ValueError(
                f"expected test inputs{name} of shape (m, {', '.join(map(str, expected.shape[1:]))}) "
                f"like the training data, got {part.shape}"
            )
        if whole and expected.dtype.kind in "iu" and part.dtype.kind not in "iu":
            raise ValueError(
                f"expected test inputs{name} that are whole numbers like the training data, "
                f"got dtype {part.dtype}"
            )


def check_choice(curvature: str, solver: str | None, is_likelihood: bool) -> None:
    """Raise ValueError for names that are unknown or do not go together."""
    if curvature not in _CURVATURES:
        raise ValueError(f"expected a curvature {', '.join(_CURVATURES)}, got {curvature!r}")
    if solver is not None and solver not in _SOLVERS:
        raise ValueError(f"expected a solver {', '.join(_SOLVERS)}, got {solver!r}")
    if curvature in ("kfac", "ekfac") and solver is not None:
        raise ValueError(
            f"curvature={curvature!r} is inverted in closed form and takes no solver, got {solver!r}"
        )
    if curvature in ("fisher", "kfac", "ekfac") and not is_likelihood:
        raise ValueError(
            f"curvature={curvature!r} needs a loss that is a likelihood, cross_entropy or squared; "
            "use curvature='gauss_newton'"
        )


def check_numbers(damping: Any, weight_decay: Any, tolerance: Any, **positive: Any) -> None:
    """Raise ValueError for numbers that make no sense, or are none.

    Args:
        damping: at least 0.
        weight_decay: at least 0.
        tolerance: above 0, or None.
        positive: whole numbers from 1 on, by name; the seed from 0 on.
    """
    if tolerance is not None and not (_is_number(tolerance) and tolerance > 0):
        raise ValueError(f"expected a tolerance above 0, got {tolerance!r}")
    for name, value in (("damping", damping), ("weight_decay", weight_decay)):
        if not (_is_number(value) and 0 <= value < float("inf")):
            raise ValueError(f"expected {name} of at least 0, got {value!r}")
    for name, number in positive.items():
        least = 0 if name == "seed" else 1
        if not _is_number(number) or number < least or number != number // 1:
            raise ValueError(f"expected {name} as a whole number of at least {least}, got {number!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def check_rows(rows: ArrayLike | None, total: int) -> NDArray[np.int64]:
    """Return the numbers (k,) of training samples, by default those of all.

    Raises:
        ValueError: no whole number from 0 to total - 1.
    """
    if rows is None:
        return np.arange(total)
    chosen = np.asarray(rows)
    if chosen.size and (chosen.ndim != 1 or chosen.dtype.kind not in "iu"):
        raise ValueError(
            f"expected rows as whole numbers of shape (k,), got {chosen.dtype} of shape {chosen.shape}"
        )
    wrong = chosen[(chosen < 0) | (chosen >= total)]
    if len(wrong):
        raise ValueError(f"expected rows from 0 to {total - 1}, got {wrong[0]}")
    return chosen.astype(np.int64)


def named(curvature: Curvature, solver: SolverName) -> str:
    """Return a curvature's name, and that of the solver where there is one, for people."""
    return curvature if curvature in ("kfac", "ekfac") else f"{curvature}, {solver}"


def default_tolerance(solver: str, dtype: torch.dtype) -> float:
    """Return a bound on the relative residual that a solver can be expected to reach."""
    if solver in ("lissa", "arnoldi", "nystroem"):
        return 1e-2
    return 1e-8 if dtype == torch.float64 else 1e-5


def vector_block(vectors: ArrayLike, size: int) -> tuple[NDArray[np.float64], bool]:
    """Return vectors as a block (m, P) of float64, P their size, and whether there was one (P,).

    Raises:
        ValueError: another shape, a NaN or an infinity.
    """
    host = vectors.detach().cpu().numpy() if isinstance(vectors, torch.Tensor) else vectors
    array = np.asarray(host, dtype=np.float64)
    if array.ndim not in (1, 2) or array.shape[-1] != size:
        raise ValueError(f"expected vectors of shape ({size},) or (m, {size}), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("expected finite vectors, got a NaN or an infinity")
    return np.atleast_2d(array), array.ndim == 1
