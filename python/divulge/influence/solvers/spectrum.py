"""Ends of a symmetric matrix's spectrum from products with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.linalg import vector_norm

from divulge.influence.errors import SingularCurvature
from divulge.influence.solvers.solution import Floats, Matrix, placed

__all__ = ["Ritz", "lanczos", "not_positive_definite", "require_room"]


@dataclass(frozen=True)
class Ritz:
    """Approximate eigenpairs, the largest eigenvalue first.

    Attributes:
        values: (k,).
        vectors: (k, P), of norm 1, on the matrix's device.
        errors: (k,), |C v - value v|: an eigenvalue lies within this of the value.
    """

    values: Floats
    vectors: Tensor
    errors: Floats


def lanczos(matrix: Matrix, steps: int, seed: int) -> Ritz:
    """Run Lanczos's method with full reorthogonalisation from a random vector.

    The ends of the spectrum converge first. Products are with C, without the shift.
    """
    rng = np.random.default_rng(seed)
    steps = min(steps, matrix.size)
    basis = torch.zeros(steps, matrix.size, dtype=torch.float64, device=matrix.device)
    diagonal, off = np.zeros(steps), np.zeros(steps)
    q = placed(_unit(rng.standard_normal(matrix.size)), matrix.device)
    taken, scale = 0, 0.0
    for k in range(steps):
        basis[k] = q
        w = matrix.multiply(q[None])[0]
        diagonal[k] = float(w @ q)
        scale = max(scale, float(vector_norm(w)))
        held = basis[: k + 1]
        for _ in range(2):
            w = torch.addmv(w, held.T, held @ w, alpha=-1)
        off[k] = float(vector_norm(w))
        taken = k + 1
        if off[k] <= 1e-12 * scale:  # the basis spans an invariant space
            off[k] = 0.0
            break
        q = w / off[k]
    return _ritz(basis[:taken], diagonal[:taken], off[:taken])


def not_positive_definite(matrix: Matrix, seed: int = 0, steps: int = 100) -> SingularCurvature:
    """Return the error that names the smallest eigenvalue and the smallest damping that would do."""
    ritz = lanczos(matrix, steps, seed)
    weight_decay = matrix.shift - matrix.damping
    lowest, error = float(ritz.values[-1]) + weight_decay, float(ritz.errors[-1])
    room = max(abs(float(ritz.values[0])), 1e-300) * 1e-6
    sufficient = max(-lowest, 0.0) * 1.02 + error + room
    kind = "is indefinite" if lowest < -room else "is singular"
    message = (
        f"the {matrix.name} with weight decay {weight_decay:g} {kind}: its smallest eigenvalue is about "
        f"{lowest:.3g}, so damping={matrix.damping:g} is too little; damping={_up(sufficient):g} would do"
    )
    return SingularCurvature(message, lowest, _up(sufficient))


def require_room(matrix: Matrix, ritz: Ritz, seed: int) -> None:
    """Raise SingularCurvature where an approximate eigenvalue proves that the matrix has one below zero."""
    if ritz.values.size and ritz.values[-1] + matrix.shift <= 0:
        raise not_positive_definite(matrix, seed)


def _ritz(basis: Tensor, diagonal: Floats, off: Floats) -> Ritz:
    tridiagonal = np.diag(diagonal) + np.diag(off[:-1], 1) + np.diag(off[:-1], -1)
    values, small = np.linalg.eigh(tridiagonal)
    order: NDArray[np.int64] = np.argsort(values)[::-1]
    vectors = placed(small.T[order], basis.device) @ basis
    return Ritz(values[order], vectors, np.abs(off[-1] * small[-1, order]))


def _up(value: float) -> float:
    """Round up to three digits."""
    digits = 2 - int(np.floor(np.log10(value)))
    return float(np.ceil(value * 10.0**digits) / 10.0**digits)


def _unit(v: Floats) -> Floats:
    return np.asarray(v / np.linalg.norm(v))
