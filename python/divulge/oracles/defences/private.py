"""Differentially private noise, and the budget that answers have spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from divulge.arrays import Array
from divulge.oracles.base import Oracle
from divulge.oracles.defences.base import Defence
from divulge.oracles.explained import Answers
from divulge.oracles.ledger import whole

if TYPE_CHECKING:
    from torch import Tensor

NUMBERS = ("values", "probabilities", "explanations")
HALVINGS = 200  # of an interval of floats: more than it takes until its ends are neighbours


@dataclass(frozen=True)
class Spent:
    """What differentially private answers have spent together.

    Attributes:
        answers: n, how many.
        epsilon: together they are (epsilon, delta)-private; of normal noise exactly, of Laplace noise by
            the sum.
        delta: as given, 0 of Laplace noise.
        basic: n times an answer's epsilon, by basic composition; it goes with n delta.
        rho: zero-concentrated: n s^2 / (2 sigma^2) of normal noise, n epsilon^2 / 2 of Laplace noise.
    """

    answers: int
    epsilon: float
    delta: float
    basic: float
    rho: float


class Private(Defence):
    """Clips the numbers of an answer and adds noise, so that each answer is differentially private.

    Value, probabilities and explanation of an answer are scaled down to a norm of at most `limit` each; two
    answers then differ by at most s = 2 limit sqrt(p) where p of the three are told. Normal noise has the
    least sigma for which Phi(m/2 - epsilon/m) - e^epsilon Phi(-m/2 - epsilon/m) <= delta, m = s / sigma. With
    delta = 0 norms are sums of absolute values, s = 2 limit p, and the noise is Laplace's of scale
    s / epsilon. n answers with normal noise are as one with m sqrt(n).

    **What is private is the numbers of each answer, and nothing else**: somebody who sees it can hardly tell
    which of any two answers was drowned in the noise. The training data are private only where the model was
    trained so; what a copy learns of the model grows with each answer, as `spent` says; labels, and which
    output is explained, are told as they are. Asking again draws fresh noise, and spends; a `Cached` around
    it does neither.

    Args:
        oracle: what is defended.
        epsilon: of one answer.
        limit: the largest norm told, in the units of value, probability and explanation.
        delta: of one answer, and of `spent`; 0 for Laplace noise.
        seed: of the noise. Who knows it can take the noise away: an API draws a secret one.

    Raises:
        ValueError: epsilon or limit is not positive and finite, or delta is not in [0, 1).

    Attributes:
        answers: how many were told so far.

    Source:
        C. Dwork, A. Roth, "The Algorithmic Foundations of Differential Privacy", 2014; B. Balle, Y.-X. Wang,
        "Improving the Gaussian Mechanism for Differential Privacy", 2018; J. Dong, A. Roth, W. Su, "Gaussian
        Differential Privacy", 2022; M. Bun, T. Steinke, "Concentrated Differential Privacy", 2016. The lowest
        bits of noise in floating point can tell more (I. Mironov, 2012): round behind it.
    """

    def __init__(
        self, oracle: Oracle, epsilon: float, *, limit: float = 1.0, delta: float = 1e-5, seed: int = 0
    ) -> None:
        super().__init__(oracle, gradients=False)
        for name, number in (("epsilon", epsilon), ("limit", limit)):
            if not 0 < number < np.inf:
                raise ValueError(f"expected a positive, finite {name}, got {number}")
        if not 0 <= delta < 1:
            raise ValueError(f"expected delta of at least 0 and less than 1, got {delta}")
        self.epsilon, self.limit, self.delta = float(epsilon), float(limit), float(delta)
        self.answers = 0
        # The ratio of distance and noise: of one answer's whole vector.
        self._ratio = ratio_of(self.epsilon, self.delta) if delta else self.epsilon
        self._rng = np.random.default_rng(whole("a seed", seed))

    def scale(self, parts: int) -> float:
        """Return the scale of the noise of answers with so many of value, probabilities and explanation."""
        return 2 * self.limit * (sqrt(parts) if self.delta else parts) / self._ratio

    def spent(self, answers: int | None = None) -> Spent:
        """Return what so many answers spend together; by default those told so far."""
        n = self.answers if answers is None else whole("a number of answers", answers)
        basic = n * self.epsilon
        rho = n * self._ratio**2 / 2
        epsilon = epsilon_of(self._ratio * sqrt(n), self.delta) if self.delta else basic
        return Spent(n, epsilon, self.delta, basic, rho)

    def damaged(self, answers: Answers) -> Answers:
        """Return answers with clipped numbers and noise in them."""
        told: dict[str, Array] = {
            name: part for name in NUMBERS if (part := getattr(answers, name)) is not None
        }
        if not told:
            return answers
        self.answers += len(answers)
        scale = self.scale(len(told))
        draw = self._rng.normal if self.delta else self._rng.laplace
        noisy = {name: self._clipped(part) + draw(0.0, scale, part.shape) for name, part in told.items()}
        imitations = answers.imitations
        if answers.explanations is not None:
            imitations = (*imitations, self.imitate)
        return replace(answers, **noisy, imitations=imitations)  # type: ignore[arg-type]

    def _clipped(self, part: Array) -> Array:
        """Numbers (n,) or (n, d), no row longer than the limit."""
        rows = part.reshape(len(part), -1)
        norms = np.linalg.norm(rows, ord=2 if self.delta else 1, axis=1, keepdims=True)
        return np.asarray(rows / np.maximum(norms / self.limit, 1.0)).reshape(part.shape)

    def imitate(self, mine: Tensor, told: Tensor) -> Tensor:
        """Return a surrogate's explanations (n, d) clipped in the same way, without noise."""
        import torch

        norms: Tensor = torch.linalg.vector_norm(mine, ord=2 if self.delta else 1, dim=1, keepdim=True)
        return mine / (norms / self.limit).clamp_min(1.0)


def private_within(oracle: Oracle) -> Private | None:
    """Return the outermost private defence around an oracle, or None."""
    while not isinstance(oracle, Private):
        if not isinstance(oracle, Defence):
            return None
        oracle = oracle.oracle
    return oracle


def delta_of(ratio: float, epsilon: float) -> float:
    """Return the least delta at which normal noise is private; ratio is distance over sigma."""
    from scipy.special import log_ndtr

    if ratio == 0:
        return 0.0
    near, far = log_ndtr(ratio / 2 - epsilon / ratio), epsilon + log_ndtr(-ratio / 2 - epsilon / ratio)
    return float(-np.exp(near) * np.expm1(min(0.0, far - near)))


def ratio_of(epsilon: float, delta: float) -> float:
    """Return the largest distance over sigma that is (epsilon, delta)-private."""
    # delta_of(ratio, epsilon) tends to 1: at this ratio it is above delta.
    most = sqrt(2 * epsilon) + 80.0
    return _ends(lambda ratio: delta_of(ratio, epsilon) <= delta, most)[0]


def epsilon_of(ratio: float, delta: float) -> float:
    """Return the least epsilon at which noise of this ratio is (epsilon, delta)-private."""
    rho = ratio**2 / 2
    most = rho + 2 * sqrt(rho * log(1 / delta))  # the bound by zero-concentration
    if delta_of(ratio, 0.0) <= delta:
        return 0.0
    return _ends(lambda epsilon: delta_of(ratio, epsilon) > delta, most)[1]


def _ends(holds: Callable[[float], bool], most: float) -> tuple[float, float]:
    """The last number from 0 to `most` at which something holds, and the first at which it does not."""
    least = 0.0
    for _ in range(HALVINGS):
        middle = (least + most) / 2
        least, most = (middle, most) if holds(middle) else (least, middle)
    return least, most
