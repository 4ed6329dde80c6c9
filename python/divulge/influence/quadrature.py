"""Greedy choices of samples that stand for a distribution: Bayesian quadrature, and MMD."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.conventions import OnProgress
from divulge.influence.kernels import Kernel

__all__ = ["Chosen", "by_mean", "by_quadrature", "chosen_criticisms", "greedy_mmd"]

_EXPLAINED = 1e-12  # of the prior variance, a choice that lowers it by less
_LEFT = 1e-6  # of it, what is no rounding


@dataclass
class Chosen:
    """Samples in the order of their choice.

    Attributes:
        rows: their numbers.
        columns: k(i, row) (n,) of each.
        variances: after each choice, prior - z' w with w the weights of the quadrature.
        stopped: "", "explained", "exhausted" or "interrupted".
    """

    rows: list[int] = field(default_factory=list)
    columns: list[Array] = field(default_factory=list)
    variances: list[float] = field(default_factory=list)
    stopped: str = ""


class _Cholesky:
    """K_SS = L L' of chosen samples, a row a choice, and what is left of each sample.

    Attributes:
        left: k(i, i) - |c_i|^2 (n,), c_i = L^-1 k(S, i): the variance of i given S.
        residual: z_i - c_i' L^-1 z_S (n,).
    """

    def __init__(self, diagonal: Array, target: Array) -> None:
        self.left, self.residual = diagonal.astype(np.float64), target.astype(np.float64)
        self._rows: list[Array] = []

    def add(self, row: int, column: Array) -> float:
        """Take one more sample and return by how much the variance falls."""
        fall, below = self.residual[row], np.sqrt(self.left[row])
        rest = column.copy()
        for c in self._rows:
            rest -= c[row] * c
        new = rest / below
        step = fall / below
        self._rows.append(new)
        self.left = np.maximum(self.left - new**2, 0.0)
        self.residual = self.residual - step * new
        self.left[row] = 0.0
        return float(step**2)


def by_quadrature(
    kernel: Kernel,
    count: int,
    among: NDArray[np.bool_],
    progress: OnProgress | None = None,
    positive: bool = False,
) -> Chosen:
    """Choose by sequential Bayesian quadrature: each time the sample that lowers the variance most.

    The variance of the mean of a Gaussian process over the points is V = prior - z_S' K_SS^-1 z_S; sample i
    lowers it by r_i^2 / d_i, r_i and d_i what S leaves of z_i and k(i, i). O(n |S|) a choice beside a column.
    Where `positive`, only samples with r_i > 0 are chosen.

    Source:
        F. Huszar, D. Duvenaud, "Optimally-weighted herding is Bayesian quadrature", 2012.
    """
    state, found = _Cholesky(kernel.diagonal, kernel.target), Chosen()
    variance = kernel.prior
    try:
        while len(found.rows) < count:
            free = among & (state.left > kernel.noise * kernel.diagonal)
            use = free & (state.residual > 0) if positive else free
            gain = np.where(use, state.residual**2 / np.where(free, state.left, 1.0), 0.0)
            best = int(gain.argmax())
            if gain[best] <= _EXPLAINED * kernel.prior:
                left = variance > _LEFT * kernel.prior
                found.stopped = "exhausted" if left else "explained"
                break
            column = kernel.column(best)
            variance -= state.add(best, column)
            _take(found, best, column, variance)
            if progress is not None:
                progress(len(found.rows), count)
    except KeyboardInterrupt:
        found.stopped = "interrupted"
    return found


def greedy_mmd(
    kernel: Kernel, count: int, among: NDArray[np.bool_], progress: OnProgress | None = None
) -> Chosen:
    """Choose so that 2 / |S| sum z_S - 1 / |S|^2 sum K_SS grows most, as MMD-critic does.

    Source:
        B. Kim, R. Khanna, O. Koyejo, "Examples are not enough, learn to criticize!", 2016.
    """
    found, inside, means = Chosen(), np.zeros(len(kernel.target)), 0.0
    pairs, free = 0.0, among.copy()
    try:
        while len(found.rows) < count and free.any():
            s = len(found.rows) + 1
            value = 2 / s * (means + kernel.target) - (pairs + 2 * inside + kernel.diagonal) / s**2
            best = int(np.where(free, value, -np.inf).argmax())
            column = kernel.column(best)
            pairs += 2 * inside[best] + kernel.diagonal[best]
            means += float(kernel.target[best])
            inside, free[best] = inside + column, False
            _take(found, best, column, kernel.prior - 2 / s * means + pairs / s**2)
            if progress is not None:
                progress(s, count)
    except KeyboardInterrupt:
        found.stopped = "interrupted"
    return found


def by_mean(
    kernel: Kernel, count: int, among: NDArray[np.bool_], progress: OnProgress | None = None
) -> Chosen:
    """Choose the largest z_i: the mean influence on the points, of each sample alone."""
    found = Chosen()
    order = np.argsort(-np.where(among, kernel.target, -np.inf), kind="stable")
    state, variance = _Cholesky(kernel.diagonal, kernel.target), kernel.prior
    try:
        for best in order[: min(count, int(among.sum()))].tolist():
            column = kernel.column(best)
            if state.left[best] > kernel.noise * kernel.diagonal[best]:
                variance -= state.add(best, column)
            _take(found, best, column, variance)
            if progress is not None:
                progress(len(found.rows), count)
    except KeyboardInterrupt:
        found.stopped = "interrupted"
    return found


def chosen_criticisms(kernel: Kernel, witness: Array, count: int, among: NDArray[np.bool_]) -> Chosen:
    """Choose samples that prototypes speak for least, by |witness_i| / max |witness| + log-determinant.

    The determinant is that of the kernel scaled to 1 on its diagonal; it keeps criticisms apart.

    Args:
        kernel: k.
        witness: z_i - sum over prototypes of w k(i, .) (n,).
        count: at most.
        among: (n,), those in question.

    Source:
        Kim et al. 2016, with the Fisher kernel in the place of theirs.
    """
    found, scale = Chosen(), np.sqrt(np.maximum(kernel.diagonal, 1e-300))
    state, size = _Cholesky(np.ones(len(scale)), np.zeros(len(scale))), np.abs(witness)
    largest = float(size[among].max(initial=0.0)) or 1.0
    try:
        while len(found.rows) < count:
            free = among & (state.left > kernel.noise) & (kernel.diagonal > 0)
            if not free.any():
                break
            gain = size / largest + np.log(np.where(free, state.left, 1.0))
            best = int(np.where(free, gain, -np.inf).argmax())
            column = kernel.column(best)
            state.add(best, column / (scale * scale[best]))
            _take(found, best, column, 0.0)
    except KeyboardInterrupt:
        found.stopped = "interrupted"
    return found


def _take(found: Chosen, row: int, column: Array, variance: float) -> None:
    """Note one choice, all of it."""
    found.rows.append(row)
    found.columns.append(column)
    found.variances.append(max(float(variance), 0.0))
