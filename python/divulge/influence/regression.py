"""Regularised linear models trained to convergence: what influence functions are exact about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from divulge import _core
from divulge.influence.solvers import ConjugateGradients, Matrix, placed
from divulge.points import host_array

__all__ = ["fit_linear"]

_HALVINGS = 30


def fit_linear(
    inputs: ArrayLike,
    targets: ArrayLike,
    outputs: int,
    *,
    loss: str = "cross_entropy",
    weight_decay: float = 0.01,
    bias: bool = True,
    temperature: float = 0.001,
    start: nn.Linear | None = None,
    max_steps: int = 100,
    progress: Callable[[int, float], None] | None = None,
) -> nn.Linear:
    """Minimise (1/n) sum_i L(z_i) + (weight_decay / 2) |theta|^2 by Newton's method, theta = (W, b).

    Each step is solved for by conjugate gradients on the compiled core and halved until the objective
    falls. It ends when the gradient's norm is below 1e-10 (float64) or 1e-5 (float32), or rounding lets the
    objective fall no further.

    Args:
        inputs: (n, ...), flattened to (n, d); float32 or float64, else converted to float32.
        targets: as the loss needs them: classes (n,), numbers (n, K), or -1 and 1 (n,).
        outputs: K.
        loss: "cross_entropy", "squared" or "smooth_hinge".
        weight_decay: above 0, so that there is one minimum; it is put on the bias, too.
        bias: whether there is one.
        temperature: of the smooth hinge.
        start: where to begin, by default at 0.
        max_steps: Newton steps at most.
        progress: called with the number of steps and the gradient's norm, before each step.

    Returns:
        A Linear from (n, d) to (n, K) in the inputs' precision.

    Raises:
        ValueError: weight_decay not above 0, a single output for cross_entropy, or targets that the loss does
            not know.
    """
    if not 0 < weight_decay < float("inf"):
        raise ValueError(f"expected weight_decay above 0, got {weight_decay}")
    if loss == "cross_entropy" and outputs < 2:
        raise ValueError(f"expected at least 2 outputs for cross_entropy, got {outputs}")
    x = np.asarray(host_array(inputs))
    dtype = np.dtype(np.float64 if x.dtype == np.float64 else np.float32)
    x = np.ascontiguousarray(x.reshape(len(x), -1), dtype)
    y = np.asarray(host_array(targets)).astype(dtype).reshape(len(x), -1)
    objective = _Objective(x, y, outputs, loss, weight_decay, bias, temperature)
    at = objective.at(np.zeros(objective.size) if start is None else _flat(start))
    goal = 1e-10 if dtype == np.float64 else 1e-5
    for step in range(max_steps):
        if progress is not None:
            progress(step, at.norm)
        if at.norm <= goal or (lower := _descended(objective, at)) is None:
            break
        at = lower
    return objective.module(at.theta)


@dataclass(frozen=True)
class _Point:
    """The objective at theta (P,), its gradient (P,) and the core's curvature there."""

    theta: NDArray[np.float64]
    value: float
    gradient: NDArray[np.float64]
    core: Any

    @property
    def norm(self) -> float:
        return float(np.linalg.norm(self.gradient))


class _Objective:
    """The regularised mean loss of a linear model, theta (P,) in float64."""

    def __init__(
        self,
        inputs: NDArray[Any],
        targets: NDArray[Any],
        outputs: int,
        loss: str,
        weight_decay: float,
        bias: bool,
        temperature: float,
    ) -> None:
        self.inputs, self.targets, self.loss = inputs, targets, loss
        self.outputs, self.weight_decay, self.bias, self.temperature = (
            outputs,
            weight_decay,
            bias,
            temperature,
        )
        self.size = outputs * (inputs.shape[1] + bias)

    def at(self, theta: NDArray[np.float64]) -> _Point:
        """Return the objective at theta."""
        core, decay = self._core(theta), self.weight_decay
        value = core.evaluate()[2].astype(np.float64).mean() + decay / 2 * (theta @ theta)
        return _Point(theta, float(value), core.gradient().astype(np.float64) + decay * theta, core)

    def step(self, at: _Point) -> NDArray[np.float64]:
        """Return Newton's step (P,), the more exact the smaller the gradient."""

        def multiply(vectors: Tensor) -> Tensor:
            products = at.core.hessian_products(vectors.numpy().astype(self.inputs.dtype))
            return torch.from_numpy(products).double()

        matrix = Matrix(self.size, self.weight_decay, self.weight_decay, multiply)
        solver = ConjugateGradients(matrix, min(0.1, max(at.norm, 1e-6)), 500)
        return np.asarray(solver.solve(placed(at.gradient[None])).solution().vectors[0])

    def _core(self, theta: NDArray[np.float64]) -> Any:
        dtype, split = self.inputs.dtype, self.outputs * self.inputs.shape[1]
        weight = theta[:split].reshape(self.outputs, -1).astype(dtype)
        bias = theta[split:].astype(dtype) if self.bias else None
        kind = _core.Curvature32 if dtype == np.float32 else _core.Curvature64
        return kind([weight], [bias], ["identity"], self.loss, self.inputs, self.targets, self.temperature)

    def module(self, theta: NDArray[np.float64]) -> nn.Linear:
        """Return theta as a module."""
        d, k = self.inputs.shape[1], self.outputs
        dtype = torch.float32 if self.inputs.dtype == np.float32 else torch.float64
        linear: nn.Linear = nn.utils.skip_init(nn.Linear, d, k, bias=self.bias, dtype=dtype)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(theta[: k * d].reshape(k, d)))
            if self.bias:
                linear.bias.copy_(torch.from_numpy(theta[k * d :]))
        return linear.eval()


def _descended(objective: _Objective, at: _Point) -> _Point | None:
    """Return the first point at 1, 1/2, ... of Newton's step where the objective falls.

    Close to the minimum rounding hides the fall; there a gradient that is halved will do. None where no
    point is lower.
    """
    step, size = objective.step(at), 1.0
    slope = float(at.gradient @ step)
    for _ in range(_HALVINGS):
        there = objective.at(at.theta - size * step)
        if there.value <= at.value - 1e-4 * size * slope or there.norm <= at.norm / 2:
            return there
        size /= 2
    return None


def _flat(linear: nn.Linear) -> NDArray[np.float64]:
    parts = [linear.weight.reshape(-1)] + ([] if linear.bias is None else [linear.bias])
    return torch.cat(parts).detach().double().numpy()
