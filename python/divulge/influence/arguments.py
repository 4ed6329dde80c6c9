"""What `Influence` accepts."""

from __future__ import annotations

from typing import Literal

import torch

__all__ = ["Curvature", "SolverName", "check_choice", "check_numbers", "default_tolerance"]

Curvature = Literal["hessian", "gauss_newton", "fisher", "kfac", "ekfac"]
SolverName = Literal["cg", "direct", "lissa", "arnoldi", "nystroem"]

_CURVATURES = ("hessian", "gauss_newton", "fisher", "kfac", "ekfac")
_SOLVERS = ("cg", "direct", "lissa", "arnoldi", "nystroem")


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


def check_numbers(damping: float, weight_decay: float, *positive: int) -> None:
    """Raise ValueError for numbers that make no sense."""
    for name, value in (("damping", damping), ("weight_decay", weight_decay)):
        if not 0 <= value < float("inf"):
            raise ValueError(f"expected {name} of at least 0, got {value}")
    for name, number in zip(("max_iterations", "rank", "batch_size"), positive, strict=True):
        if number < 1:
            raise ValueError(f"expected {name} of at least 1, got {number}")


def default_tolerance(solver: str, dtype: torch.dtype) -> float:
    """Return a bound on the relative residual that a solver can be expected to reach."""
    if solver in ("lissa", "arnoldi", "nystroem"):
        return 1e-2
    return 1e-8 if dtype == torch.float64 else 1e-5
