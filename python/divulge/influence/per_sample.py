"""Losses and other functions of the outputs, one number a sample."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.training.modes import copied

__all__ = ["LossFunction", "PerSample", "applied", "check_function", "check_values", "per_sample"]

LossFunction = Callable[[Tensor, Tensor], Tensor]

# Losses with one number an output, which broadcast without an error.
_ELEMENTWISE = (
    nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.BCELoss, nn.BCEWithLogitsLoss, nn.KLDivLoss,
    nn.PoissonNLLLoss, nn.SoftMarginLoss,
    F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits, F.kl_div, F.poisson_nll_loss, F.soft_margin_loss,
)  # fmt: skip
# Losses of class numbers, one of which may stand for nothing.
_IGNORING = (F.cross_entropy, F.nll_loss)
_REDUCTIONS = ("mean", "sum", "batchmean")
# Outputs drawn to see whether a loss depends on them at all, and their size.
_DRAWS, _SIZE = 8, 3.0
# Of finite differences by the outputs.
_STEP = 1e-5


@dataclass(frozen=True)
class PerSample:
    """A torch loss that is taken for each sample: of its numbers the mean, or the sum where it sums.

    Attributes:
        function: of (outputs, targets), without a reduction.
        reduction: the one it had: "mean", "sum" or "batchmean".
        elementwise: whether it has one number an output.
    """

    function: LossFunction
    reduction: str
    elementwise: bool

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the losses (n,)."""
        if self.elementwise:
            if targets.shape != outputs.shape:
                raise ValueError(
                    f"expected targets of the outputs' shape {tuple(outputs.shape)}, "
                    f"got {tuple(targets.shape)}"
                )
            targets = targets.to(outputs.dtype)
        values = self.function(outputs, targets)
        if values.ndim < 2 or len(values) != len(outputs):
            return values
        total = values.flatten(1).sum(1)
        return total / self._counted(values, targets) if self.reduction == "mean" else total

    def _counted(self, values: Tensor, targets: Tensor) -> Tensor | int:
        """Return over how many values the mean of a sample (n,) goes; torch leaves out those it ignores."""
        ignored: int | None = getattr(self.function, "ignore_index", None)
        if isinstance(self.function, partial) and self.function.func in _IGNORING:
            ignored = self.function.keywords.get("ignore_index", -100)
        if ignored is None or targets.shape != values.shape:
            return values[0].numel()
        counted: Tensor = targets != ignored
        return counted.flatten(1).sum(1).clamp_min(1)


def per_sample(loss: LossFunction) -> LossFunction:
    """Return a loss of each sample: torch's own with reduction="none", any other as it is."""
    if isinstance(loss, nn.Module):
        if getattr(loss, "reduction", None) not in _REDUCTIONS:
            return loss
        single: Any = copied(loss)
        single.reduction = "none"
        return PerSample(single, str(loss.reduction), isinstance(loss, _elementwise_modules()))
    function: Any = loss
    plain: Any = function.func if isinstance(loss, partial) else function
    own: Any = vars(F).get(getattr(plain, "__name__", ""))
    if own is None or own is not plain:
        return loss
    parameters = inspect.signature(own).parameters
    given = loss.keywords.get("reduction", "mean") if isinstance(loss, partial) else "mean"
    if "reduction" not in parameters or given not in _REDUCTIONS:
        return loss
    return PerSample(partial(function, reduction="none"), given, plain in _ELEMENTWISE)


def applied(function: LossFunction, outputs: Tensor, targets: Tensor, what: str = "function") -> Tensor:
    """Return a function's values, or raise ValueError where it fails, saying on what."""
    try:
        return function(outputs, targets)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"the {what} fails on outputs of shape {tuple(outputs.shape)} and targets of shape "
            f"{tuple(targets.shape)}: {reason}"
        ) from error


def check_values(function: LossFunction, outputs: Tensor, targets: Tensor, values: Any) -> None:
    """Raise where a function's values are not one number a sample, each of its own sample alone.

    Raises:
        ValueError: another shape than (n,), the first or last value changes with the other samples, or no
            gradient leads from the values to the outputs.
    """
    n = len(outputs)
    if not isinstance(values, Tensor) or values.shape != (n,):
        got = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(
            f"expected a function that returns {n} numbers, got {got}; it is taken for each sample, "
            "without a mean or a sum over them (reduction='none')"
        )
    if outputs.requires_grad and not values.requires_grad:
        raise ValueError("expected a function of the outputs that can be differentiated, got constants")
    if n < 2:
        return
    alone = []
    for row in (0, n - 1):
        with torch.no_grad():
            alike = [part[[row] * n].detach() for part in (outputs, targets)]
            alone.append(function(*alike)[row])
    ends = values.detach()[[0, n - 1]]
    if not torch.allclose(torch.stack(alone), ends, rtol=1e-3, atol=1e-6, equal_nan=True):
        raise ValueError(
            f"expected a function that takes each sample alone, but outputs of shape {tuple(outputs.shape)} "
            f"and targets of shape {tuple(targets.shape)} are mixed: the value of a sample changes with the "
            "others' (broadcast?)"
        )


def check_function(function: LossFunction, outputs: Tensor, targets: Tensor) -> None:
    """Raise where a loss cannot be used on outputs (n, K) and targets.

    Raises:
        ValueError: it fails, is not one number a sample, does not depend on the outputs, or has a gradient
            that is not its derivative.
    """
    z = outputs.detach().clone().requires_grad_()
    values = applied(function, z, targets, "loss")
    check_values(function, z, targets, values)
    _check_slope(function, outputs.detach(), targets)
    generator = torch.Generator().manual_seed(0)
    for _ in range(_DRAWS):
        if bool(_slope(function, z, targets).any()):
            return
        draw = _SIZE * torch.randn(z.shape, generator=generator)
        z = draw.to(z.device, z.dtype).requires_grad_()
    shape = ", ".join(map(str, z.shape[1:]))
    raise ValueError(f"expected a loss that changes with the outputs (n, {shape}), its gradient is 0")


def _check_slope(function: LossFunction, outputs: Tensor, targets: Tensor) -> None:
    """Hold a loss's gradient against differences in double precision, where those to both sides agree."""
    y = targets.double() if targets.is_floating_point() else targets
    generator, wrong = torch.Generator().manual_seed(0), 0
    for _ in range(3):
        z = outputs.double() + torch.randn(outputs.shape, generator=generator).to(outputs.device)
        v = torch.randn(z.shape, generator=generator, dtype=z.dtype).to(z.device)
        try:
            slope = (_slope(function, z.requires_grad_(), y) * v).sum()
            with torch.no_grad():
                middle, *sides = (function(z + h * v, y).sum() for h in (0.0, _STEP, -_STEP))
        except Exception:  # a loss for one precision only
            return
        up, down = ((side - middle) / h for side, h in zip(sides, (_STEP, -_STEP), strict=True))
        size = 1e-3 * max(float(up.abs()), float(slope.abs())) + 1e-6
        wrong += bool((up - down).abs() <= size) and bool(((up + down) / 2 - slope).abs() > 2 * size)
    if wrong >= 2:
        raise ValueError(
            "expected a loss whose gradient is its derivative, it is another by finite differences: does it "
            "detach a part of itself?"
        )


def _slope(function: LossFunction, z: Tensor, targets: Tensor) -> Tensor:
    total = function(z, targets).sum()
    return torch.autograd.grad(total, z, allow_unused=True, materialize_grads=True)[0]


def _elementwise_modules() -> tuple[type, ...]:
    return tuple(kind for kind in _ELEMENTWISE if isinstance(kind, type))
