"""Losses that trees are boosted with: first, second and third derivatives, and where boosting begins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from divulge.arrays import Array

__all__ = ["Exponential", "Initial", "Logistic", "Poisson", "Softmax", "Squared", "TreeLoss"]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class TreeLoss(ABC):
    """A loss l(y, F) of K margins F.

    Attributes:
        curvature: the factor that a library puts on the second derivatives.
        name: by which compiled code knows it.
    """

    curvature: float = 1.0
    name: ClassVar[str]

    @abstractmethod
    def slopes(self, margins: Array, targets: Array) -> tuple[Array, Array]:
        """Return g_k = dl/dF_k and h_k = curvature d2l/dF_k^2 (n, K, b); margins so, targets (n, K, 1)."""

    @abstractmethod
    def pulled(self, margins: Array, targets: Array, first: Array, second: Array) -> Array:
        """Return sum_k first_k dg_k/dF + second_k dh_k/dF (n, K, m).

        Args:
            margins: (n, K, 1).
            targets: (n, K, 1).
            first: (n, K, m).
            second: (n, K, m).
        """


class Squared(TreeLoss):
    """(F - y)^2 / 2."""

    name = "squared"

    def slopes(self, margins: Array, targets: Array) -> tuple[Array, Array]:
        """Return the derivatives."""
        return margins - targets, np.full_like(margins, self.curvature)

    def pulled(self, margins: Array, targets: Array, first: Array, second: Array) -> Array:
        """Return what goes back: dg/dF = 1, dh/dF = 0."""
        return first


class Logistic(TreeLoss):
    """log(1 + exp F) - y F of one margin, y of 0 and 1."""

    name = "logistic"

    def slopes(self, margins: Array, targets: Array) -> tuple[Array, Array]:
        """Return p - y and p (1 - p)."""
        return _from_probabilities(_sigmoid(margins), targets, self.curvature)

    def pulled(self, margins: Array, targets: Array, first: Array, second: Array) -> Array:
        """Return what goes back: dg/dF = p (1 - p), dh/dF = p (1 - p) (1 - 2 p)."""
        p = _sigmoid(margins)
        return p * (1 - p) * (first + second * (self.curvature * (1 - 2 * p)))


class Softmax(TreeLoss):
    """log sum_k exp F_k - F_y, targets one-hot."""

    name = "softmax"

    def slopes(self, margins: Array, targets: Array) -> tuple[Array, Array]:
        """Return p_k - y_k and p_k (1 - p_k)."""
        return _from_probabilities(_softmax(margins), targets, self.curvature)

    def pulled(self, margins: Array, targets: Array, first: Array, second: Array) -> Array:
        """Return what goes back: dp_k/dF_m = p_k ([k = m] - p_m), h_k a function of p_k alone."""
        p = _softmax(margins)
        by_p = (first + second * (self.curvature * (1 - 2 * p))) * p
        return np.asarray(by_p - p * by_p.sum(axis=1, keepdims=True))


class Exponential(TreeLoss):
    """exp(-s F) with s = 2 y - 1, y of 0 and 1 (AdaBoost's)."""

    name = "exponential"

    def slopes(self, margins: Array, targets: Array) -> tuple[Array, Array]:
        """Return -s exp(-s F) and exp(-s F)."""
        s = 2 * targets - 1
        size = np.exp(-s * margins)
        return -s * size, self.curvature * size

    def pulled(self, margins: Array, targets: Array, first: Array, second: Array) -> Array:
        """Return what goes back: dg/dF = exp(-s F), dh/dF = -s exp(-s F)."""
        s = 2 * targets - 1
        return np.exp(-s * margins) * (first - second * (self.curvature * s))


class Poisson(TreeLoss):
    """exp F - y F."""

    name = "poisson"

    def slopes(self, margins: Array, targets: Array) -> tuple[Array, Array]:
        """Return exp F - y and exp F."""
        size = np.exp(margins)
        return size - targets, self.curvature * size

    def pulled(self, margins: Array, targets: Array, first: Array, second: Array) -> Array:
        """Return what goes back: dg/dF = dh/dF = exp F."""
        return np.exp(margins) * (first + second * self.curvature)


def _from_probabilities(p: Array, targets: Array, curvature: float) -> tuple[Array, Array]:
    """Return p - y, in p's place, and curvature p (1 - p)."""
    second = p * p
    np.subtract(p, second, out=second)
    if curvature != 1:
        second *= curvature
    p -= targets
    return p, second


def _sigmoid(x: Array) -> Array:
    p: Array = torch.sigmoid(torch.from_numpy(np.ascontiguousarray(x))).numpy()
    return p


def _softmax(x: Array) -> Array:
    powers = x - x.max(axis=1, keepdims=True)
    np.exp(powers, out=powers)
    powers /= powers.sum(axis=1, keepdims=True)
    return np.asarray(powers)


@dataclass(frozen=True)
class Initial:
    """Where boosting begins: F_0 = link(weighted mean of the targets), or numbers that nothing changes.

    Attributes:
        link: "identity"; "logit", log(m / (1 - m)); "half_logit", half of it; "log"; "centred_log", log m_k
            minus the mean of log m over the classes; "fixed".
        fixed: (K,), F_0 of "fixed".
        added: to each mean, of "centred_log".
        least: that a mean counts as; 1 less it at most, of shares.
    """

    link: str
    fixed: Array | None = None
    added: float = 0.0
    least: float = _EPS

    def margins(self, mean: Array) -> Array:
        """Return F_0 (K, b) of means (K, b)."""
        if self.fixed is not None:
            return np.repeat(self.fixed[:, None], mean.shape[1], axis=1)
        if self.link == "identity":
            return mean
        if self.link == "log":
            return np.log(np.maximum(mean, self.least))
        inside = np.clip(mean, self.least, 1 - self.least)
        if self.link == "centred_log":
            logs = np.log(inside + self.added)
            return np.asarray(logs - logs.mean(axis=0))
        return np.log(inside / (1 - inside)) * (0.5 if self.link == "half_logit" else 1.0)

    def jacobian(self, mean: Array) -> Array:
        """Return dF_0/dm (K, K) at one mean (K,)."""
        k = len(mean)
        if self.fixed is not None:
            return np.zeros((k, k))
        if self.link == "identity":
            return np.eye(k)
        inverse = np.diag(np.where(mean > self.least, 1 / (np.maximum(mean, self.least) + self.added), 0.0))
        if self.link == "log":
            return inverse
        if self.link == "centred_log":
            return np.asarray(inverse - inverse.sum(axis=0) / k)
        inside = np.clip(mean, self.least, 1 - self.least)
        slope = np.where(inside == mean, 1 / (inside * (1 - inside)), 0.0)
        return np.diag(slope * (0.5 if self.link == "half_logit" else 1.0))
