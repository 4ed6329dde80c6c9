"""LiSSA: a Neumann series over batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.influence.solvers.solution import Matrix, Solved, residuals
from divulge.influence.solvers.spectrum import lanczos, not_positive_definite, require_room

__all__ = ["Lissa"]

_POWER_STEPS = 12
_DIVERGED = 1e3


@dataclass(frozen=True)
class Lissa:
    """Solves (C + damping) x = b by x <- x + (b - (C_B + damping) x) / scale (Agarwal et al. 2017).

    C_B is the curvature of a random batch B. The scale is 1.1 times the matrix's largest eigenvalue, found by
    a few Lanczos steps, or that of a batch where it is larger, and is doubled should the series diverge.
    An epoch is n / batch_size steps. The average of its iterates is tested against the whole matrix; after
    one that did not halve the residual, averages run over twice as many epochs.

    Attributes:
        matrix: of all samples.
        batch_matrix: from rows (k,) to the matrix of those samples.
        rows: the number of samples n.
        tolerance: on |b - A x| / |b|.
        batch_size: samples a step.
        epochs: passes over the data, at most.
        seed: of the batches.
    """

    matrix: Matrix
    batch_matrix: Callable[[NDArray[np.int64]], Matrix]
    rows: int
    tolerance: float
    batch_size: int
    epochs: int
    seed: int

    def solve(self, vectors: Tensor) -> Solved:
        """Solve for rows b (m, P).

        Raises:
            SingularCurvature: the matrix has an eigenvalue below zero.
        """
        rng = np.random.default_rng(self.seed)
        scale = self._scale(rng)
        x = torch.zeros_like(vectors)
        best, lowest = x, vectors.any(dim=1).to(vectors)
        total, length, epochs_averaged, period = torch.zeros_like(x), 0, 0, 1
        steps, goal = 0, self.tolerance
        for _ in range(self.epochs if lowest.any() else 0):
            for _ in range(0, self.rows, self.batch_size):
                # Drawn anew in each step: batches that iterates had seen before would bias their mean.
                batch = self.batch_matrix(rng.integers(self.rows, size=self.batch_size))
                x = x + (vectors - batch(x)) / scale
                total, length, steps = total + x, length + 1, steps + 1
            epochs_averaged += 1
            if epochs_averaged < period:
                continue
            mean = total / length
            _, relative = residuals(self.matrix, mean, vectors)
            if not (relative < _DIVERGED).all():
                scale *= self._wider()
                x, total, length, epochs_averaged = torch.zeros_like(x), torch.zeros_like(x), 0, 0
                continue
            if not (relative < 0.5 * lowest).all():
                period *= 2
            better = relative < lowest
            best = torch.where(better[:, None], mean, best)
            lowest = torch.minimum(lowest, relative)
            total, length, epochs_averaged = torch.zeros_like(x), 0, 0
            if (lowest <= goal).all():
                break
        taken = torch.full_like(lowest, steps, dtype=torch.int64)
        return Solved(best, lowest, taken, lowest <= goal)

    def _wider(self) -> float:
        """Return a factor for a scale with which the series diverged, unless no scale would do."""
        error = not_positive_definite(self.matrix, self.seed)
        if error.smallest_eigenvalue + self.matrix.damping <= 0:
            raise error
        return 2.0

    def _scale(self, rng: np.random.Generator) -> float:
        """Return the number that products are divided by."""
        whole = lanczos(self.matrix, _POWER_STEPS, self.seed)
        require_room(self.matrix, whole, self.seed)
        top = float(whole.values[0] + whole.errors[0])
        for _ in range(3):
            rows = rng.integers(self.rows, size=self.batch_size)
            top = max(top, float(lanczos(self.batch_matrix(rows), _POWER_STEPS, self.seed).values[0]))
        return 1.1 * max(top, 0.0) + self.matrix.shift + 1e-300
