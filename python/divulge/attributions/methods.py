"""The methods that explain a score by its input gradients, each written once, for arrays and for tensors."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, ClassVar

import numpy as np

from divulge.arrays import Array
from divulge.points import host_array

__all__ = [
    "Attribution",
    "Gradient",
    "InputTimesGradient",
    "IntegratedGradients",
    "ProbabilityGradient",
    "Saliency",
    "SmoothGrad",
]


@dataclass(frozen=True)
class Attribution:
    """An explanation of a score f_k at x: gradients or values at one or several places, combined.

    Oracles make it of a victim's answers (NumPy), copies of their own (torch, differentiable), and
    `attribute` of any module's. Shapes: x (n, d), noise (n, draws, d), places and gradients (n, m, d), values
    (n, m).

    Attributes:
        name: of the method, everywhere.
        of_probability: whether the class's probability is explained and not its score.
        at_the_input: whether gradients are taken at x alone.
        is_gradient: whether it is a gradient, or a mean of gradients.
        of_values: whether it is made of values f_k, shape (n, m), and not of gradients.
        of_module: whether it is made of what is inside a module, by `ModuleAttribution.explained`.
        imitable: whether a copy can make the same of its own gradients or values and learn from it so.
    """

    name: ClassVar[str]
    of_probability: ClassVar[bool] = False
    at_the_input: ClassVar[bool] = True
    is_gradient: ClassVar[bool] = False
    of_values: ClassVar[bool] = False
    of_module: ClassVar[bool] = False
    imitable: ClassVar[bool] = True

    @property
    def draws(self) -> int:
        """How many standard normal vectors `places` needs for one input."""
        return 0

    def count(self, d: int) -> int:
        """Return at how many places, m, for inputs of d numbers."""
        return 1

    def scaled(self, input_range: float) -> Attribution:
        """Return the same for inputs of a range, max - min, unless it was made for another one."""
        return self

    def places(self, x: Any, noise: Any) -> Any:
        """Return where to differentiate, shape (n, m, d)."""
        return x[:, None]

    def combine(self, x: Any, found: Any, noise: Any = None) -> Any:
        """Return the explanation, shape (n, d), made of what was found at the places of the noise."""
        return found[:, 0]

    def factor(self, x: Array) -> Array | None:
        """Return c, shape (n, d): c w explains a linear score w.x + b; None where no such c is known."""
        return None

    def lighter(self) -> Attribution:
        """Return the same with fewer places, for the steps of a training."""
        return self


@dataclass(frozen=True)
class Gradient(Attribution):
    """df_k/dx."""

    name: ClassVar[str] = "gradient"
    is_gradient: ClassVar[bool] = True

    def factor(self, x: Array) -> Array:
        """Return ones."""
        return np.ones_like(x)


@dataclass(frozen=True)
class SmoothGrad(Attribution):
    """The mean of df_k/dx over x + noise r e, e standard normal and r the range of the inputs, max - min.

    Attributes:
        samples: how many e.
        noise: their size, a share of the range; 0.1 to 0.2 in the paper.
        input_range: r, in units of the input. None: of an oracle's domain, the largest upper less the
            smallest lower bound, and 1 where it has none, that is for inputs scaled to length 1; of all
            inputs that `attribute` is given.

    Raises:
        ValueError: one of these cannot be.
        TypeError: a number of samples that is not whole.

    Source:
        D. Smilkov, N. Thorat, B. Kim, F. Viegas, M. Wattenberg, "SmoothGrad: removing noise by adding noise",
        2017.
    """

    name: ClassVar[str] = "smoothgrad"
    at_the_input: ClassVar[bool] = False
    is_gradient: ClassVar[bool] = True
    samples: int = 50
    noise: float = 0.15
    input_range: float | None = None

    def __post_init__(self) -> None:
        check_count("sample of SmoothGrad", self.samples)
        if not 0 < self.noise < inf:
            raise ValueError(f"expected a positive, finite noise, a share of the range, got {self.noise}")
        if self.input_range is not None and not 0 <= self.input_range < inf:
            raise ValueError(f"expected a finite range of the inputs, got {self.input_range}")

    @property
    def draws(self) -> int:
        """One vector a sample."""
        return self.samples

    def count(self, d: int) -> int:
        """At every sample."""
        return self.samples

    def scaled(self, input_range: float) -> SmoothGrad:
        """Return the same with r given, unless it was."""
        return self if self.input_range is not None else replace(self, input_range=input_range)

    def places(self, x: Any, noise: Any) -> Any:
        """Return x + noise r e."""
        size = self.noise * (1.0 if self.input_range is None else self.input_range)
        return x[:, None] + size * noise

    def combine(self, x: Any, found: Any, noise: Any = None) -> Any:
        """Return the mean."""
        return found.mean(1)

    def factor(self, x: Array) -> Array:
        """Return ones."""
        return np.ones_like(x)

    def lighter(self) -> SmoothGrad:
        """Four samples are enough for a step."""
        return replace(self, samples=min(4, self.samples))


@dataclass(frozen=True)
class IntegratedGradients(Attribution):
    """(x - b) times the mean of df_k/dx on the way from a baseline b to x, in the middle of equal parts.

    Attributes:
        steps: parts of the way; 20 to 300 in the paper.
        baseline: b, in units of the input: a number, or of the shape of one input.

    Raises:
        ValueError: one of these cannot be.
        TypeError: a number of steps that is not whole.

    Source:
        M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", 2017.
    """

    name: ClassVar[str] = "integrated_gradients"
    at_the_input: ClassVar[bool] = False
    steps: int = 50
    baseline: Any = field(default=0.0)

    def __post_init__(self) -> None:
        check_count("step of integrated gradients", self.steps)
        if not np.isfinite(np.asarray(host_array(self.baseline), float)).all():
            raise ValueError("expected a baseline of finite numbers")

    def count(self, d: int) -> int:
        """At every step."""
        return self.steps

    def places(self, x: Any, noise: Any) -> Any:
        """Return b + alpha (x - b)."""
        base = self._base(x)
        alpha = like(x, (np.arange(self.steps) + 0.5) / self.steps)
        return base + alpha[:, None] * (x - base)[:, None]

    def combine(self, x: Any, found: Any, noise: Any = None) -> Any:
        """Return the difference to the baseline times the mean."""
        return (x - self._base(x)) * found.mean(1)

    def factor(self, x: Array) -> Array:
        """Return x - b."""
        return np.asarray(x - self._base(x))

    def lighter(self) -> IntegratedGradients:
        """Eight places are enough for a step."""
        return replace(self, steps=min(8, self.steps))

    def _base(self, x: Any) -> Any:
        """The baseline as an array of the kind of x, shape (d,) or (1,)."""
        flat = np.asarray(host_array(self.baseline), float).reshape(-1)
        if len(flat) not in (1, x.shape[1]):
            raise ValueError(
                f"expected a baseline that is a number or of the shape of one input, {x.shape[1]} numbers, "
                f"got {len(flat)}"
            )
        return like(x, flat)


@dataclass(frozen=True)
class Saliency(Attribution):
    """|df_k/dx|, number by number (Simonyan, Vedaldi, Zisserman 2014)."""

    name: ClassVar[str] = "saliency"

    def combine(self, x: Any, found: Any, noise: Any = None) -> Any:
        """Return the absolute values."""
        return abs(found[:, 0])


@dataclass(frozen=True)
class InputTimesGradient(Attribution):
    """x times df_k/dx, number by number (Shrikumar et al. 2016)."""

    name: ClassVar[str] = "input_times_gradient"

    def combine(self, x: Any, found: Any, noise: Any = None) -> Any:
        """Return the product."""
        return x * found[:, 0]

    def factor(self, x: Array) -> Array:
        """Return x."""
        return x


@dataclass(frozen=True)
class ProbabilityGradient(Attribution):
    """dp_k/dx of the class's probability."""

    name: ClassVar[str] = "probability_gradient"
    of_probability: ClassVar[bool] = True
    is_gradient: ClassVar[bool] = True


def like(x: Any, numbers: np.ndarray[Any, Any]) -> Any:
    """Return numbers as an array or a tensor of the precision of x, where x is."""
    if isinstance(x, np.ndarray):
        return numbers.astype(x.dtype)
    import torch

    return torch.as_tensor(numbers, dtype=x.dtype, device=x.device)


def check_count(what: str, count: int) -> None:
    """Raise TypeError or ValueError for what is no whole number from 1 on."""
    if isinstance(count, bool) or not isinstance(count, int | np.integer):
        raise TypeError(f"expected a whole number, at least one {what}, got {count!r}")
    if count < 1:
        raise ValueError(f"expected at least one {what}, got {count}")
