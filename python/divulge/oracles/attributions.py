"""Explanations made of input gradients, written once for the victim (NumPy) and the surrogate (torch)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from divulge.oracles.ledger import whole


@dataclass(frozen=True)
class Attribution:
    """An explanation of f_k at x: gradients at one or several places, combined.

    The plain input gradient itself; the others say where to differentiate and how to combine. Arrays and
    tensors will do, of shapes x (n, d), places and gradients (n, m, d).

    Attributes:
        name: the kind of answer.
        of_probability: whether the class's probability is explained and not its logit.
    """

    name: ClassVar[str] = "gradient"
    of_probability: ClassVar[bool] = False

    @property
    def draws(self) -> int:
        """How many standard normal vectors `places` needs for one input."""
        return 0

    @property
    def differentiated(self) -> int:
        """At how many places, m."""
        return 1

    def places(self, x: Any, noise: Any) -> Any:
        """Return where to differentiate, shape (n, m, d); noise has shape (n, draws, d)."""
        return x[:, None]

    def combine(self, x: Any, gradients: Any) -> Any:
        """Return the explanation, shape (n, d), made of gradients at the places, shape (n, m, d)."""
        return gradients[:, 0]

    def lighter(self) -> Attribution:
        """Return the same with fewer places, for the steps of a training."""
        return self


@dataclass(frozen=True)
class SmoothGrad(Attribution):
    """The mean of the gradient over x + sigma e, e standard normal (Smilkov et al. 2017).

    Attributes:
        samples: how many e.
        sigma: their size, in units of the input.
    """

    name: ClassVar[str] = "smoothgrad"
    samples: int = 50
    sigma: float = 0.15

    def __post_init__(self) -> None:
        if whole("a number of samples", self.samples) < 1:
            raise ValueError(f"expected at least one sample in a SmoothGrad answer, got {self.samples}")
        if not 0 < self.sigma < np.inf:
            raise ValueError(f"expected a positive, finite sigma, got {self.sigma}")

    @property
    def draws(self) -> int:
        """One vector a sample."""
        return self.samples

    @property
    def differentiated(self) -> int:
        """At every sample."""
        return self.samples

    def places(self, x: Any, noise: Any) -> Any:
        """Return x + sigma e."""
        return x[:, None] + self.sigma * noise

    def combine(self, x: Any, gradients: Any) -> Any:
        """Return the mean."""
        return gradients.mean(1)

    def lighter(self) -> SmoothGrad:
        """Four samples are enough for a step."""
        return SmoothGrad(min(4, self.samples), self.sigma)


@dataclass(frozen=True)
class IntegratedGradients(Attribution):
    """(x - baseline) times the mean gradient on the way from the baseline (Sundararajan et al. 2017).

    Attributes:
        steps: places on the way, in the middle of equal parts.
        baseline: a number, or shape (d,).
    """

    name: ClassVar[str] = "integrated_gradients"
    steps: int = 20
    baseline: Any = field(default=0.0)

    def __post_init__(self) -> None:
        if whole("a number of steps", self.steps) < 1:
            raise ValueError(f"expected at least one step of integrated gradients, got {self.steps}")
        if not np.isfinite(np.asarray(self.baseline, float)).all():
            raise ValueError("expected a baseline of finite numbers")

    @property
    def differentiated(self) -> int:
        """At every step."""
        return self.steps

    def places(self, x: Any, noise: Any) -> Any:
        """Return baseline + alpha (x - baseline)."""
        base = self._base(x)
        return _stack([base + (step + 0.5) / self.steps * (x - base) for step in range(self.steps)])

    def combine(self, x: Any, gradients: Any) -> Any:
        """Return the difference to the baseline times the mean."""
        return (x - self._base(x)) * gradients.mean(1)

    def _base(self, x: Any) -> Any:
        """The baseline as an array of the kind of x, shape (n, d)."""
        if isinstance(x, np.ndarray):
            return np.broadcast_to(np.asarray(self.baseline, x.dtype), x.shape)
        return x.new_tensor(np.broadcast_to(self.baseline, x.shape[1:]).tolist()).expand_as(x)

    def lighter(self) -> IntegratedGradients:
        """Eight places are enough for a step."""
        return IntegratedGradients(min(8, self.steps), self.baseline)


@dataclass(frozen=True)
class Saliency(Attribution):
    """|df_k/dx|, number by number (Simonyan et al. 2014)."""

    name: ClassVar[str] = "saliency"

    def combine(self, x: Any, gradients: Any) -> Any:
        """Return the absolute values."""
        return abs(gradients[:, 0])


@dataclass(frozen=True)
class InputTimesGradient(Attribution):
    """x times df_k/dx, number by number."""

    name: ClassVar[str] = "input_times_gradient"

    def combine(self, x: Any, gradients: Any) -> Any:
        """Return the product."""
        return x * gradients[:, 0]


@dataclass(frozen=True)
class ProbabilityGradient(Attribution):
    """dp_k/dx of the class's probability."""

    name: ClassVar[str] = "probability_gradient"
    of_probability: ClassVar[bool] = True


def _stack(parts: list[Any]) -> Any:
    """Stack arrays or tensors (n, d) to (n, m, d)."""
    if isinstance(parts[0], np.ndarray):
        return np.stack(parts, axis=1)
    import torch

    return torch.stack(parts, dim=1)
