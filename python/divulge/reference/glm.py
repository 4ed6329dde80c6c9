"""Closed forms for a chain of one layer in plain PyTorch, twin of the core's `dense_hessian`, `leverages`."""

from __future__ import annotations

import torch
from torch import Tensor

from divulge.reference.curvature import Curvature, sample_loss

__all__ = ["dense_hessian", "leverages", "loss_hessians"]


def dense_hessian(curvature: Curvature) -> Tensor:
    """Return the Hessian (P, P) of the mean loss."""
    hessian: Tensor = torch.func.jacrev(torch.func.grad(curvature.mean_loss))(curvature.theta)
    return hessian


def loss_hessians(curvature: Curvature) -> Tensor:
    """Return A (n, K, K), each sample's Hessian of its loss by the outputs."""

    def one(z: Tensor, y: Tensor) -> Tensor:
        return sample_loss(curvature.loss, z[None], y[None], curvature.temperature)[0]

    outputs = curvature.outputs_at(curvature.theta, curvature.inputs)
    hessian = torch.func.jacrev(torch.func.grad(one))
    hessians: Tensor = torch.func.vmap(hessian)(outputs, curvature.targets)
    return hessians


def leverages(curvature: Curvature, inverse: Tensor) -> Tensor:
    """Return M (n, K, K) = J_i H^-1 J_i', J_i (K, P) the Jacobian of sample i's outputs.

    Args:
        curvature: of a chain of one layer.
        inverse: H^-1 (P, P).
    """
    identity = torch.eye(curvature.shapes[-1][0][0], dtype=inverse.dtype)
    n = len(curvature.inputs)
    rows = [curvature.sample_gradients(e.expand(n, -1)) for e in identity]
    jacobians = torch.stack(rows, dim=1)
    return jacobians @ inverse @ jacobians.mT
