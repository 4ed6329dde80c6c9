"""K-FAC and EK-FAC: a curvature that is inverted exactly in its own eigenbasis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from divulge.influence.losses import Loss
from divulge.influence.native import NativeOperator
from divulge.influence.operators import Array
from divulge.influence.solvers.solution import Floats, Solution

__all__ = ["KroneckerCurvature", "fit_kronecker", "label_cotangents"]

_EXACT_CLASSES = 16
_DRAWN_LABELS = 8


@dataclass(frozen=True)
class KroneckerCurvature:
    """sum over layers of (U x V) diag(values) (U x V)' on gradients by (W, b), (h, d + 1) a layer.

    K-FAC (Martens & Grosse 2015): U, V are the eigenvectors of E[delta delta'] and E[(a, 1)(a, 1)'], the
    values the products of their eigenvalues. EK-FAC (George et al. 2018) keeps the vectors; its values are
    the mean squares of the gradients in that basis, so that no other diagonal is closer to the Fisher matrix.

    Attributes:
        outer: U (h, h) of each layer.
        inner: V (d + 1, d + 1) of each layer, (d, d) where it has no bias.
        values: (h, d + 1) of each layer.
        biased: whether each layer has a bias.
        shift: damping and weight decay.
    """

    outer: list[Floats]
    inner: list[Floats]
    values: list[Floats]
    biased: list[bool]
    shift: float

    def multiply(self, vectors: Floats) -> Floats:
        """Return C v (m, P) for vectors (m, P), without the shift."""
        return self._scaled(vectors, self.values)

    def solve(self, vectors: Floats) -> Solution:
        """Solve (C + shift) x = b for rows b (m, P); exact for this curvature."""
        x = self._scaled(vectors, [1 / (v + self.shift) for v in self.values])
        residual = vectors - self.multiply(x) - self.shift * x
        norms = np.linalg.norm(vectors, axis=1)
        relative = np.linalg.norm(residual, axis=1) / np.where(norms > 0, norms, 1)
        return Solution(x, relative, np.zeros(len(x), np.int64), relative < 1e-6)

    def _scaled(self, vectors: Floats, weights: list[Floats]) -> Floats:
        out, offset = np.empty_like(vectors), 0
        for u, v, weight, biased in zip(self.outer, self.inner, weights, self.biased, strict=True):
            h, d = len(u), len(v) - biased
            stop = offset + h * len(v)
            matrix = vectors[:, offset : offset + h * d].reshape(-1, h, d)
            if biased:
                column = vectors[:, offset + h * d : stop, None]
                matrix = np.concatenate([matrix, column], axis=2)
            turned = u @ ((u.T @ matrix @ v) * weight) @ v.T
            out[:, offset : offset + h * d] = turned[:, :, :d].reshape(len(vectors), -1)
            if biased:
                out[:, offset + h * d : stop] = turned[:, :, d]
            offset = stop
        return out


def fit_kronecker(
    operator: NativeOperator, loss: Loss, shift: float, corrected: bool, seed: int
) -> KroneckerCurvature:
    """Fit K-FAC, or EK-FAC where `corrected`, to the model's own labels.

    Up to 16 classes the expectation over the labels is exact; above, eight labels are drawn a sample.

    Raises:
        ValueError: a loss that is no likelihood, or neither damping nor weight decay.
    """
    if shift <= 0:
        raise ValueError(
            "kfac and ekfac divide by the damping, expected damping or weight decay above 0, got 0"
        )
    cotangents = label_cotangents(operator.outputs(), loss, seed)
    factors = operator.core.kronecker_factors(cotangents)
    inner, outer = [np.linalg.eigh(a) for a, _ in factors], [np.linalg.eigh(b) for _, b in factors]
    inner_bases, outer_bases = [v for _, v in inner], [u for _, u in outer]
    if corrected:
        cast = [
            [np.ascontiguousarray(b, operator.dtype) for b in part] for part in (inner_bases, outer_bases)
        ]
        values = operator.core.kronecker_eigenvalues(cotangents, *cast)
    else:
        pairs = zip(outer, inner, strict=True)
        values = [np.outer(np.maximum(b, 0), np.maximum(a, 0)) for (b, _), (a, _) in pairs]
    biased = [bias for _, _, bias in operator.layer_shapes]
    return KroneckerCurvature(outer_bases, inner_bases, values, biased, shift)


def label_cotangents(outputs: Array, loss: Loss, seed: int) -> Array:
    """Return (n, S K): the gradients by the outputs for S labels of each sample, times their weights' roots.

    Softmax: sqrt(p_s) (p - e_s) for every class s, or (p - e_s) / sqrt(S) for drawn ones. Squared loss: the
    model's label is its output plus standard normal noise, whose outer product has the mean I: e_s.

    Raises:
        ValueError: the loss is no likelihood.
    """
    n, k = outputs.shape
    identity = np.eye(k, dtype=outputs.dtype)
    if loss.name == "squared":
        return np.tile(identity.reshape(1, -1), (n, 1))
    if loss.name != "cross_entropy":
        raise ValueError(
            f"the model's own labels need the loss cross_entropy or squared, got {loss.name}; "
            "use curvature='gauss_newton'"
        )
    p = torch.from_numpy(outputs).softmax(1).numpy()
    if k <= _EXACT_CLASSES:
        return np.asarray(np.sqrt(p)[:, :, None] * (p[:, None, :] - identity), outputs.dtype).reshape(n, -1)
    uniform = np.random.default_rng(seed).random((n, _DRAWN_LABELS))
    cumulative = np.cumsum(p.astype(np.float64), axis=1)
    labels = (uniform[:, :, None] > cumulative[:, None, :-1]).sum(axis=2)
    drawn = (p[:, None, :] - identity[labels]) / np.sqrt(_DRAWN_LABELS)
    return np.asarray(drawn, outputs.dtype).reshape(n, -1)
