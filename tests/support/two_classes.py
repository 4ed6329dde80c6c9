"""Two classes told apart by one logit or by two, on inputs drawn anew."""

from __future__ import annotations

import torch
from torch import nn

from divulge.datasets import Dataset

D = 12


def halves(n: int = 600, seed: int = 0) -> Dataset:
    """Return inputs (n, 12) from 0 to 1 on the two sides of a bent surface, and half as many to test on."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n + n // 2, D, generator=generator)
    w = torch.randn(D, generator=generator)
    y = ((x - 0.5) @ w + (x[:, 0] - 0.5).abs() > 0.25).long()
    return Dataset("halves", x[:n], y[:n], x[n:], y[n:])


def classifier(data: Dataset, outputs: int, hidden: int = 24, seed: int = 0) -> nn.Module:
    """Return a network trained with BCEWithLogitsLoss on one logit, or with CrossEntropyLoss on two."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Linear(D, hidden), nn.ReLU()] if hidden else []
        module = nn.Sequential(*layers, nn.Linear(hidden or D, outputs))
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    targets = data.train_targets
    for _ in range(300):
        z = module(data.train_inputs)
        if outputs == 1:
            loss = nn.BCEWithLogitsLoss()(z[:, 0], targets.float())
        else:
            loss = nn.CrossEntropyLoss()(z, targets)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return module.eval()
