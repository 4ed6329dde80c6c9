"""Steps of optimizers as torch takes them, and how a derivative goes back through one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Adam", "AdamW", "Optimizer", "Sgd"]

State = list[Tensor]


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent, as torch.optim.SGD takes its steps.

    With g the gradient and weight decay: v <- momentum v + g, theta <- theta - rate v; with `nesterov`,
    theta <- theta - rate (g + momentum v).

    Attributes:
        momentum: from 0 to below 1.
        weight_decay: (weight_decay / 2) |theta|^2 is added to the loss.
        nesterov: look ahead.
    """

    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        _check_share("momentum", self.momentum)
        _check_size("weight_decay", self.weight_decay)
        if self.nesterov and not self.momentum:
            raise ValueError("expected momentum above 0 with nesterov=True, got 0")

    @property
    def slots(self) -> int:
        """How many numbers a parameter needs beside itself."""
        return int(self.momentum > 0)

    def step(self, state: Sequence[Tensor], gradient: Tensor, rate: float, number: int) -> State:
        """Return [theta, velocity] (P,) each after a step; number counts from 1."""
        theta, *held = state
        g = gradient + self.weight_decay * theta
        if not held:
            return [theta - rate * g]
        velocity = self.momentum * held[0] + g
        return [theta - rate * (g + self.momentum * velocity if self.nesterov else velocity), velocity]

    def pull(
        self,
        cotangents: Sequence[Tensor],
        before: Sequence[Tensor],
        after: Sequence[Tensor],
        gradient: Tensor,
        rate: float,
        number: int,
    ) -> tuple[State, Tensor]:
        """Return cotangents (m, P) of the state before a step, and of its gradient, from those after it.

        The gradient is a constant for those of the state; what leads through it is the caller's.
        """
        above, *held = cotangents
        if not held:
            back = -rate * above
            return [above + self.weight_decay * back], back
        velocity = held[0] - rate * (self.momentum if self.nesterov else 1.0) * above
        back = velocity - rate * above if self.nesterov else velocity
        return [above + self.weight_decay * back, self.momentum * velocity], back


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015), as torch.optim.Adam takes its steps.

    With g the gradient, m <- b1 m + (1 - b1) g and v <- b2 v + (1 - b2) g^2, both divided by 1 - b^t:
    theta <- theta - rate m / (sqrt(v + epsilon_root) + epsilon).

    Attributes:
        betas: (b1, b2), from 0 to below 1.
        epsilon: above 0.
        epsilon_root: inside of the root, which torch has not: 0 there. The first steps of Adam have the
            gradients' signs, whose derivative is none; with an epsilon_root of about the mean square of a
            gradient they are smooth (Engstrom et al. 2025).
        weight_decay: (weight_decay / 2) |theta|^2 is added to the loss.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    epsilon_root: float = 0.0
    weight_decay: float = 0.0

    slots = 2

    def __post_init__(self) -> None:
        if np.shape(self.betas) != (2,):
            raise ValueError(f"expected betas as two numbers, got {self.betas!r}")
        for name, beta in zip(("first", "second"), self.betas, strict=True):
            _check_share(f"the {name} of betas", beta)
        for name in ("epsilon", "epsilon_root", "weight_decay"):
            _check_size(name, getattr(self, name))
        if not self.epsilon:
            raise ValueError("expected epsilon above 0, got 0")

    def step(self, state: Sequence[Tensor], gradient: Tensor, rate: float, number: int) -> State:
        """Return [theta, m, v] (P,) each after a step; number counts from 1."""
        theta, mean, square = state
        (first, second), g = self.betas, self._with_decay(gradient, theta)
        mean = first * mean + (1 - first) * g
        square = second * square + (1 - second) * g * g
        _, divisor = self._divisor(square, number)
        kept = self._kept(rate)
        moved = rate / (1 - first**number) * mean / divisor
        return [(theta if kept == 1 else kept * theta) - moved, mean, square]

    def pull(
        self,
        cotangents: Sequence[Tensor],
        before: Sequence[Tensor],
        after: Sequence[Tensor],
        gradient: Tensor,
        rate: float,
        number: int,
    ) -> tuple[State, Tensor]:
        """Return cotangents (m, P) of the state before a step, and of its gradient; see `Sgd.pull`."""
        above, mean, square = cotangents
        (first, second), g = self.betas, self._with_decay(gradient, before[0])
        root, divisor = self._divisor(after[2], number)
        scale = rate / (1 - first**number)
        mean = mean - scale / divisor * above
        # Where v is 0 all gradients were, so is m, and m / (sqrt v + epsilon) does not feel v to first order.
        steep = scale * after[1] / (2 * (1 - second**number) * root * divisor**2)
        square = square + torch.where(root > 0, steep, torch.zeros_like(steep)) * above
        back = (1 - first) * mean + 2 * (1 - second) * g * square
        through = self._kept(rate) * above
        if self._in_gradient:
            through = through + self._in_gradient * back
        return [through, first * mean, second * square], back

    def _divisor(self, square: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """Return sqrt(v) and what m is divided by."""
        root = (square / (1 - self.betas[1] ** number) + self.epsilon_root).sqrt()
        return root, root + self.epsilon

    def _with_decay(self, gradient: Tensor, theta: Tensor) -> Tensor:
        return gradient + self._in_gradient * theta if self._in_gradient else gradient

    @property
    def _in_gradient(self) -> float:
        """The weight decay that is a part of the gradient."""
        return self.weight_decay

    def _kept(self, rate: float) -> float:
        """What the parameters are multiplied by."""
        return 1.0


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with weight decay beside the gradient (Loshchilov and Hutter 2019), as torch.optim.AdamW.

    theta <- (1 - rate weight_decay) theta - rate m / (sqrt(v + epsilon_root) + epsilon).

    Attributes:
        weight_decay: of that formula.
    """

    weight_decay: float = 0.01

    @property
    def _in_gradient(self) -> float:
        return 0.0

    def _kept(self, rate: float) -> float:
        return 1 - rate * self.weight_decay


Optimizer = Sgd | Adam


def _check_size(name: str, value: Any) -> None:
    if not _is_real(value) or not isfinite(value) or value < 0:
        raise ValueError(f"expected {name} of at least 0, got {value!r}")


def _check_share(name: str, value: Any) -> None:
    if not _is_real(value) or not 0 <= value < 1:
        raise ValueError(f"expected {name} from 0 to below 1, got {value!r}")


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
