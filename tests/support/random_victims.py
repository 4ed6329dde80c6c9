"""Random networks for tests, and how far a copy is from one."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from divulge import Victim


def random_network(
    inputs: int,
    hidden: int,
    outputs: int = 1,
    *,
    seed: int = 0,
    bias: bool = True,
    dtype: torch.dtype = torch.float64,
) -> nn.Sequential:
    """One hidden layer with normal weights, rows of about unit length and biases of about a half."""
    rng = np.random.default_rng(seed)
    network = nn.Sequential(
        nn.Linear(inputs, hidden, bias=bias), nn.ReLU(), nn.Linear(hidden, outputs, bias=bias)
    ).to(dtype)
    with torch.no_grad():
        for parameter in network.parameters():
            scale = parameter.shape[1] ** -0.5 if parameter.ndim > 1 else 0.5
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape) * scale))
    return network


def function_error(copy: nn.Module, victim: Victim, points: np.ndarray) -> float:
    """Largest error of the copy, relative to the range of the victim's outputs."""
    with torch.no_grad():
        ours = copy(torch.from_numpy(points).to(victim.dtype)).double().numpy()
    theirs = victim.values(points)
    return float(np.abs(ours - theirs).max() / np.ptp(theirs))
