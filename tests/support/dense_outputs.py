"""Hessian, Gauss-Newton matrix and gradients of a module whose outputs have any shape, formed whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.func import functional_call


@dataclass
class Whole:
    """Matrices (P, P) of the mean loss, gradients of training losses (n, P) and of the tests' f (m, P)."""

    hessian: np.ndarray
    gauss_newton: np.ndarray
    train: np.ndarray
    test: np.ndarray

    def scores(self, damping, curvature):
        """Return the influences (m, n)."""
        damped = getattr(self, curvature) + damping * np.eye(len(self.hessian))
        return -self.test @ np.linalg.solve(damped, self.train.T)


def whole(module, train, test, loss, of=None, call=None):
    """Compute one sample at a time.

    Args:
        module: any, in float64.
        train: (inputs, targets); inputs are a tensor or a dict of tensors.
        test: likewise.
        loss: from outputs (1, ...) and targets (1, ...) to a number.
        of: what is explained of a test point, by default the loss.
        call: from (module, inputs) to outputs, by default the module.
    """
    names, values = zip(*module.named_parameters(), strict=True)
    sizes = [value.numel() for value in values]
    flat = torch.cat([value.detach().reshape(-1) for value in values])

    class Called(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, x):
            return self.module(x) if call is None else call(self.module, x)

    called = Called()

    def outputs(theta, x):
        parts = zip(names, torch.split(theta, sizes), values, strict=True)
        named = {f"module.{name}": part.reshape(value.shape) for name, part, value in parts}
        return functional_call(called, named, (x,))

    def one(data, i):
        x, y = data
        held = {k: v[i : i + 1] for k, v in x.items()} if isinstance(x, dict) else x[i : i + 1]
        return held, y[i : i + 1]

    def gradient(function, x, y):
        return torch.autograd.functional.jacobian(lambda t: function(outputs(t, x), y), flat)

    n, size = len(train[1]), len(flat)
    ggn = torch.zeros(size, size, dtype=torch.float64)
    rows = []
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        for i in range(n):
            x, y = one(train, i)
            rows.append(gradient(loss, x, y))
            z = outputs(flat, x).detach()
            j = torch.autograd.functional.jacobian(lambda t, x=x: outputs(t, x).reshape(-1), flat)
            inner = torch.autograd.functional.hessian(lambda v, y=y, z=z: loss(v.reshape(z.shape), y), z)
            ggn += j.T @ inner.reshape(len(j), len(j)) @ j / n

        def mean(theta):
            return sum(loss(outputs(theta, x), y) for x, y in (one(train, i) for i in range(n))) / n

        hessian = torch.autograd.functional.hessian(mean, flat, vectorize=True)
        tests = [gradient(of or loss, *one(test, i)) for i in range(len(test[1]))]
    return Whole(*(part.numpy() for part in (hessian, ggn, torch.stack(rows), torch.stack(tests))))
