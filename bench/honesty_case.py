"""A victim of `bench/honesty.py` with how it is asked, and how networks are drawn for it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

import divulge

BUDGET = 6_000  # queries of pieces; values are d + 1 times as many
Box = tuple[float, float] | None


@dataclass
class Case:
    """One victim and how it is asked.

    Attributes:
        module: the network.
        asks: "gradients" (with values), "gradients alone", "values", "all gradients", "probabilities", or
            "batch" for `reconstruct_many`.
        inputs: d.
        box: (low, high) of every input, None for all of R^d.
        budget: gradients that may be asked, or values of d + 1 times as many.
    """

    module: nn.Module
    asks: str
    inputs: int
    box: Box = None
    budget: int = BUDGET

    def oracle(self) -> divulge.Oracle:
        """Return what is asked."""
        victim = divulge.Victim(self.module, input_shape=(self.inputs,))
        if self.asks == "values":
            return divulge.ValueOracle(victim, budget=self.budget * (self.inputs + 1), domain=self.box)
        if self.asks == "gradients alone":
            return divulge.GradientOracle(victim, values=False, budget=self.budget, domain=self.box)
        if self.asks == "all gradients":
            return divulge.JacobianOracle(victim, budget=self.budget, domain=self.box)
        if self.asks == "probabilities":
            return divulge.ProbabilityOracle(victim, budget=self.budget * (self.inputs + 1))
        return divulge.GradientOracle(victim, budget=self.budget, domain=self.box)


def network(
    rng: np.random.Generator, sizes: tuple[int, ...], dtype: torch.dtype = torch.float64
) -> nn.Sequential:
    """Return a dense network drawn as PyTorch draws it."""
    torch.manual_seed(int(rng.integers(2**31)))
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after, dtype=dtype), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def normal(
    rng: np.random.Generator, sizes: tuple[int, ...], dtype: torch.dtype = torch.float64
) -> nn.Sequential:
    """Return a dense network of standard normal weights and biases, rows divided by their width."""
    module = network(rng, sizes, dtype)
    for layer in linears(module):
        put(layer.weight, rng.standard_normal(tuple(layer.weight.shape)) / np.sqrt(layer.in_features))
        put(layer.bias, rng.standard_normal(layer.out_features))
    return module


def linears(module: nn.Module) -> list[nn.Linear]:
    """Return the linear layers in order."""
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)]


def put(parameter: Tensor, numbers: np.ndarray) -> None:
    """Set a parameter."""
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.asarray(numbers, dtype=float)).reshape(parameter.shape))


def rows_of(module: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and biases of the first layer, copied."""
    first = linears(module)[0]
    return first.weight.detach().double().numpy().copy(), first.bias.detach().double().numpy().copy()
