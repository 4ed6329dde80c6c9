"""Hessians, Gauss-Newton matrices and per-sample gradients, formed whole by plain autograd in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy


@dataclass
class Dense:
    """hessian and gauss_newton (P, P), gradients of training (n, P) and test losses (m, P)."""

    hessian: np.ndarray
    gauss_newton: np.ndarray
    train: np.ndarray
    test: np.ndarray

    def scores(self, damping, curvature="hessian"):
        h = getattr(self, curvature) + damping * np.eye(len(self.hessian))
        return -self.test @ np.linalg.solve(h, self.train.T)


def dense(module, train, test, loss=cross_entropy, names=None):
    """Compute with the module itself, one sample at a time.

    loss maps outputs (1, K) and targets (1, ...) to a number; names are those of some of the parameters.
    """
    parameters = [p for name, p in module.named_parameters() if names is None or name in names]
    (x, y), (test_x, test_y) = ([torch.as_tensor(part) for part in pair] for pair in (train, test))

    def rows(of, create=False):
        options = {"create_graph": create, "allow_unused": True, "materialize_grads": True}
        return torch.cat([p.reshape(-1) for p in torch.autograd.grad(of, parameters, **options)])

    def gradients(inputs, targets, create=False):
        singles = [slice(i, i + 1) for i in range(len(inputs))]
        return [rows(loss(module(inputs[i]), targets[i]), create) for i in singles]

    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        g = gradients(x, y, create=True)
        mean = torch.stack(g).mean(0)
        hessian = torch.stack([_row(value, parameters) for value in mean])
        ggn = torch.zeros_like(hessian)
        for i in range(len(x)):
            z = module(x[i : i + 1])
            j = torch.stack([_row(value, parameters) for value in z[0]])
            z = z.detach()
            inner = torch.autograd.functional.hessian(lambda v, i=i: loss(v, y[i : i + 1]), z)
            ggn += j.T @ inner.reshape(len(j), len(j)) @ j / len(x)
        h = torch.stack(gradients(test_x, test_y))
    return Dense(hessian.numpy(), ggn.numpy(), torch.stack(g).detach().numpy(), h.numpy())


def _row(value, parameters):
    if not value.requires_grad:
        return torch.zeros(sum(p.numel() for p in parameters), dtype=value.dtype)
    parts = torch.autograd.grad(
        value, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return torch.cat([p.reshape(-1) for p in parts])


def small_problem(build):
    """Return a module in float64, and samples of 6 inputs and three classes: 14 for training, 3 for tests."""
    torch.manual_seed(1)
    module = build().double().eval()
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((17, 6)), rng.integers(0, 3, 17)
    return module, (x[:14], y[:14]), (x[14:], y[14:])
