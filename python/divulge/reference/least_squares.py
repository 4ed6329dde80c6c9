"""Dense least squares with numpy.linalg, the twin of the core's `least_squares` and `sign_pattern`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from divulge.arrays import Array

__all__ = ["SignPattern", "least_squares", "sign_pattern"]


def least_squares(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    """Solve x_i = argmin |a_i x - b_i| for a (count, m, n) and b (count, m, k).

    Returns x (count, n, k) and the relative residuals |a_i x_i - b_i| / |b_i| (count,), 0 where b_i = 0.
    """
    matrices, targets = np.asarray(a, np.float64), np.asarray(b, np.float64)
    shape = (len(matrices), matrices.shape[2], targets.shape[2])
    pairs = list(zip(matrices, targets, strict=True))
    x = np.array([np.linalg.lstsq(m, t)[0] for m, t in pairs]).reshape(shape)
    return x, np.array([_relative(m @ s - t, t) for (m, t), s in zip(pairs, x, strict=True)])


def _relative(rest: Array, target: Array) -> float:
    error = float(np.linalg.norm(rest))
    return error / float(np.linalg.norm(target)) if error else 0.0


@dataclass
class SignPattern:
    """beta (h,) with -gradient = sum_i beta_i D_i, its relative residual, and whether it is 0 or 1."""

    beta: Array
    residual: float
    binary: bool


def sign_pattern(jumps: ArrayLike, gradient: ArrayLike, tolerance: float = 1e-6) -> SignPattern:
    """Find which units are active where the gradient (d,) is, from the jumps D (h, d) that lie ahead.

    A unit that its jump switches off has beta 1 (it is active here), one that it switches on 0.
    """
    columns, target = np.asarray(jumps, np.float64).T, -np.asarray(gradient, np.float64)
    x, residuals = least_squares(columns[None], target[None, :, None])
    beta, residual = x[0, :, 0], float(residuals[0])
    near = np.minimum(np.abs(beta), np.abs(beta - 1)) <= tolerance
    return SignPattern(beta, residual, bool(residual <= tolerance and near.all()))
