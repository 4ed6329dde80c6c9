"""The curvature of a chain's mean loss in plain PyTorch, twin of `_core.Curvature32` and `Curvature64`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, vmap

__all__ = ["Curvature", "sample_loss"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "relu": torch.relu,
    "tanh": torch.tanh,
}


def sample_loss(loss: str, outputs: Tensor, targets: Tensor, temperature: float = 0.0) -> Tensor:
    """Return the losses (n,) of outputs (n, K) under targets (n, K) of "squared", else (n, 1).

    - cross_entropy: -log softmax(z)_y
    - squared: |z - y|^2 / 2
    - smooth_hinge: t log(1 + exp((1 - y z) / t)), y = -1 or 1; max(1 - y z, 0) at t = 0 (Koh & Liang 2017)
    """
    if loss == "cross_entropy":
        return F.cross_entropy(outputs, targets[:, 0].long(), reduction="none")
    if loss == "squared":
        return ((outputs - targets) ** 2).sum(1) / 2
    margin = 1 - targets[:, 0] * outputs[:, 0]
    if temperature == 0:
        return torch.relu(margin)
    return temperature * torch.logaddexp(torch.zeros_like(margin), margin / temperature)


class Curvature:
    """The mean loss of a chain of linear layers over n samples, around fixed parameters.

    Args:
        weights: one tensor (out, in) a layer.
        biases: one tensor (out,) a layer, None where a layer has none.
        activations: "identity", "relu" or "tanh" after each layer, "identity" after the last.
        loss: "cross_entropy", "squared" or "smooth_hinge".
        inputs: (n, d).
        targets: (n, K) of "squared", else (n, 1).
        temperature: of the smooth hinge.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor | None],
        activations: Sequence[str],
        loss: str,
        inputs: Tensor,
        targets: Tensor,
        temperature: float = 0.0,
    ) -> None:
        self.activations, self.loss, self.temperature = list(activations), loss, temperature
        self.inputs, self.targets = inputs, targets
        pairs = zip(weights, biases, strict=True)
        self.shapes = [(w.shape, b is not None) for w, b in pairs]
        tensors = [t for pair in zip(weights, biases, strict=True) for t in pair if t is not None]
        self.theta = torch.cat([t.reshape(-1) for t in tensors])

    def outputs_at(self, theta: Tensor, inputs: Tensor) -> Tensor:
        """Return the outputs (n, K) at flat parameters theta (P,)."""
        x, offset = inputs, 0
        for (shape, has_bias), activation in zip(self.shapes, self.activations, strict=True):
            weight = theta[offset : offset + shape.numel()].reshape(shape)
            offset += shape.numel()
            x = x @ weight.T
            if has_bias:
                x = x + theta[offset : offset + shape[0]]
                offset += shape[0]
            x = ACTIVATIONS[activation](x)
        return x

    def mean_loss(self, theta: Tensor) -> Tensor:
        """Return the mean loss at flat parameters theta (P,)."""
        outputs = self.outputs_at(theta, self.inputs)
        return sample_loss(self.loss, outputs, self.targets, self.temperature).mean()

    def gradient(self) -> Tensor:
        """Return the gradient (P,) of the mean loss."""
        gradient: Tensor = grad(self.mean_loss)(self.theta)
        return gradient

    def hessian_products(self, vectors: Tensor) -> Tensor:
        """Return H v for each of vectors (m, P), by double backward."""
        theta = self.theta.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self.mean_loss(theta), theta, create_graph=True)
        parts = [torch.autograd.grad(gradient, theta, v, retain_graph=True)[0] for v in vectors]
        return torch.stack(parts) if parts else vectors.clone()

    def gauss_newton_products(self, vectors: Tensor) -> Tensor:
        """Return J' H_loss J v for each of vectors (m, P), J the outputs' Jacobian."""
        parts = [self._gauss_newton_product(v) for v in vectors]
        return torch.stack(parts) if parts else vectors.clone()

    def _outputs(self, theta: Tensor) -> Tensor:
        return self.outputs_at(theta, self.inputs)

    def _gauss_newton_product(self, vector: Tensor) -> Tensor:
        outputs: Tensor
        outputs, pull = torch.func.vjp(self._outputs, self.theta)[:2]
        # J v is the derivative of J' u by u, applied to v.
        (tangent,) = torch.func.vjp(lambda u: pull(u)[0], torch.zeros_like(outputs))[1](vector)
        z = outputs.detach().requires_grad_()
        mean = sample_loss(self.loss, z, self.targets, self.temperature).mean()
        (slope,) = torch.autograd.grad(mean, z, create_graph=True)
        (cotangent,) = torch.autograd.grad(slope, z, tangent, materialize_grads=True)
        product: Tensor = pull(cotangent)[0]
        return product

    def sample_gradients(self, cotangents: Tensor) -> Tensor:
        """Return the samples' gradients (n, P) of cotangents (n, K) . outputs."""

        def one(theta: Tensor, x: Tensor, cotangent: Tensor) -> Tensor:
            return (self.outputs_at(theta, x[None])[0] * cotangent).sum()

        gradients: Tensor = vmap(grad(one), (None, 0, 0))(self.theta, self.inputs, cotangents)
        return gradients

    def loss_gradients(self) -> Tensor:
        """Return the samples' gradients (n, P) of their losses."""

        def one(theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
            outputs = self.outputs_at(theta, x[None])
            return sample_loss(self.loss, outputs, y[None], self.temperature)[0]

        gradients: Tensor = vmap(grad(one), (None, 0, 0))(self.theta, self.inputs, self.targets)
        return gradients

    def scores(self, vectors: Tensor) -> Tensor:
        """Return the inner products (m, n) of vectors (m, P) with the samples' gradients."""
        return vectors @ self.loss_gradients().T


def as_tensors(arrays: Sequence[Any]) -> list[Tensor | None]:
    """Return arrays as tensors; None stays None."""
    return [None if a is None else torch.as_tensor(a) for a in arrays]
