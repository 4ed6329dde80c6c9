from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn


class Attention(nn.Module):
    """Self-attention over the rows of an image."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        rows = x.flatten(1, 2)
        return self.head(self.attention(rows, rows, rows, need_weights=False)[0].mean(1))


MODULES = {
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 4), nn.ReLU(), nn.Linear(4, 3)),
    "tanh": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 3, bias=False), nn.Tanh(), nn.Linear(3, 3)),
    "logistic": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 3)),
    "cnn": lambda: nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.GELU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 3)
    ),
    "attention": Attention,
}


@pytest.fixture
def make():
    """Makes a module in float64, training and test data by name and seed."""

    def build(name="mlp", seed=0, n=40, loss="cross_entropy", dtype=torch.float64):
        torch.manual_seed(seed)
        module = MODULES[name]().to(dtype).eval()
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((n + 7, 1, 6, 6))
        y = {
            "cross_entropy": lambda: rng.integers(0, 3, n + 7),
            "squared": lambda: rng.standard_normal((n + 7, 3)),
        }[loss]()
        return module, (x[:n], y[:n]), (x[n:], y[n:])

    return build


@pytest.fixture
def truth():
    """Explicit Hessian (P, P) and gradients of training and test losses, by torch.func."""

    def compute(module, train, test, loss="cross_entropy"):
        names, values = zip(*module.named_parameters(), strict=True)
        sizes = [v.numel() for v in values]
        flat = torch.cat([v.detach().reshape(-1) for v in values])

        def losses(theta, x, y):
            parts = zip(names, torch.split(theta, sizes), values, strict=True)
            z = torch.func.functional_call(module, {n: p.reshape(v.shape) for n, p, v in parts}, (x,))
            if loss == "cross_entropy":
                return nn.functional.cross_entropy(z, y, reduction="none")
            return ((z - y) ** 2).sum(1) / 2

        train, test = ([torch.as_tensor(a) for a in part] for part in (train, test))
        per_sample = torch.func.jacrev(losses)
        mean = torch.func.grad(lambda t: losses(t, *train).mean())
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            hessian = torch.func.jacrev(mean)(flat).detach().numpy()
            g, h = (per_sample(flat, *part).detach().numpy() for part in (train, test))
        return hessian, g, h

    return compute
