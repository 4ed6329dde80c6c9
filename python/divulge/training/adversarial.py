"""Projected gradient descent on the input, and training against it (Madry et al. 2018)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.names import NORMS
from divulge.training.class_scores import class_scores
from divulge.training.modes import evaluating


@dataclass(frozen=True)
class Pgd:
    """The inputs of largest loss that projected gradient ascent finds in a ball round given ones.

    x <- project(x + step_size n(grad_x L(f(x), y))), where n is the sign for "linf" and g / |g|_2 for "l2".
    As `fit_classifier(perturb=Pgd(...))` it makes training adversarial.

    Args:
        radius: of the ball, in the units of the inputs.
        norm: "linf" or "l2", the latter over all numbers of one input.
        steps: of ascent.
        step_size: by default 2.5 radius / steps, so that any point of the ball can be reached.
        bounds: the smallest and largest value of an input, or None.
        warm_up: the share of the training over which the radius grows from 0; at its full size from the start
            the training of small networks can collapse to one class.

    Raises:
        ValueError: one of these cannot be.
    """

    radius: float
    _: KW_ONLY
    norm: str = "linf"
    steps: int = 7
    step_size: float | None = None
    bounds: tuple[float, float] | None = (0.0, 1.0)
    warm_up: float = 0.0

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise ValueError(f"expected norm {' or '.join(map(repr, NORMS))}, got {self.norm!r}")
        if not self.radius >= 0:
            raise ValueError(f"expected a radius of at least 0, got {self.radius}")
        if self.steps < 1:
            raise ValueError(f"expected at least one step, got {self.steps}")
        if not 0 <= self.warm_up <= 1:
            raise ValueError(f"expected a warm-up from 0 to 1, got {self.warm_up}")

    def __call__(self, module: nn.Module, inputs: Tensor, targets: Tensor, done: float = 1.0) -> Tensor:
        """Return perturbed inputs, shape (n, ...), for which the module errs as much as was found.

        Args:
            module: maps inputs to class scores, or to the log-odds of class 1; it is run in
                evaluation mode, and each of its parts left in its own.
            inputs: shape (n, ...), floating point.
            targets: classes, shape (n,).
            done: share of the training that is done, for the warm-up.
        """
        radius = self.radius * (1 if done >= self.warm_up else done / self.warm_up)
        step = radius * (2.5 / self.steps if self.step_size is None else self.step_size / self.radius)
        x = inputs.detach().clone()
        with evaluating(module):
            for _ in range(self.steps if radius > 0 else 0):
                x.requires_grad_()
                with torch.enable_grad():
                    loss = F.cross_entropy(class_scores(module(x)), targets, reduction="sum")
                    (gradient,) = torch.autograd.grad(loss, x)
                x = self._project(x.detach() + step * self._direction(gradient), inputs, radius)
        return x.detach()

    def _direction(self, gradient: Tensor) -> Tensor:
        """Return the unit vector of steepest ascent for the norm."""
        return gradient.sign() if self.norm == "linf" else gradient / _sizes(gradient).clamp_min(1e-12)

    def _project(self, x: Tensor, centre: Tensor, radius: float) -> Tensor:
        """Return the nearest point of the ball, cut to the bounds."""
        change = x - centre
        if self.norm == "linf":
            change = change.clamp(-radius, radius)
        else:
            change = change * (radius / _sizes(change).clamp_min(1e-12)).clamp_max(1)
        x = centre + change
        return x if self.bounds is None else x.clamp(*self.bounds)


def _sizes(x: Tensor) -> Tensor:
    """Return the Euclidean norm of each input, shape (n, 1, ...)."""
    sizes: Tensor = torch.linalg.vector_norm(x.flatten(1), dim=1)
    return sizes.reshape(-1, *[1] * (x.ndim - 1))
