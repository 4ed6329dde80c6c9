"""Victims of many kinds for `bench/honesty.py`: each family draws one from a seed.

A family returns what is attacked and how: the module, the oracle made of it, and the box of inputs if there
is one. Weights are drawn as `torch.nn.Linear` draws them unless a family says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from honesty_case import BUDGET, Case, linears, network, normal, put, rows_of

Family = Callable[[np.random.Generator], Case]
FAMILIES: dict[str, Family] = {}


def family(name: str) -> Callable[[Family], Family]:
    """Register a family."""

    def add(draw: Family) -> Family:
        FAMILIES[name] = draw
        return draw

    return add


def one_layer(rng: np.random.Generator) -> tuple[int, ...]:
    """Return the sizes of a small network of one hidden layer."""
    return ((5, 8, 1), (20, 16, 1), (12, 12, 1), (30, 10, 1))[rng.integers(4)]


def parallel(rng: np.random.Generator, dtype: torch.dtype, low: float, high: float) -> Case:
    """Two units whose hyperplanes are parallel, a small gap apart."""
    sizes = ((5, 8, 1), (20, 16, 1))[rng.integers(2)]
    module = normal(rng, sizes, dtype)
    weights, biases = rows_of(module)
    scale = rng.choice([1.0, -1.0]) * rng.uniform(0.3, 3)
    gap = 10 ** rng.uniform(np.log10(low), np.log10(high))
    weights[1] = scale * weights[0]
    biases[1] = scale * (biases[0] + gap * np.linalg.norm(weights[0]))
    put(linears(module)[0].weight, weights)
    put(linears(module)[0].bias, biases)
    return Case(module, "gradients", sizes[0])


@family("parallel, gap 1e-6 to .1")
def _(rng: np.random.Generator) -> Case:
    return parallel(rng, torch.float64, 1e-6, 0.1)


@family("parallel, float32, gap .01 to 3")
def _(rng: np.random.Generator) -> Case:
    return parallel(rng, torch.float32, 0.01, 3)


@family("nearly parallel")
def _(rng: np.random.Generator) -> Case:
    sizes = one_layer(rng)
    module = normal(rng, sizes)
    weights, biases = rows_of(module)
    turn = 10 ** rng.uniform(-6, -1)
    weights[1] = rng.choice([1.0, -1.0]) * (
        weights[0] + turn * rng.standard_normal(sizes[0]) / np.sqrt(sizes[0])
    )
    biases[1] = np.sign(weights[0] @ weights[1]) * (biases[0] + turn * rng.standard_normal())
    put(linears(module)[0].weight, weights)
    put(linears(module)[0].bias, biases)
    return Case(module, "gradients", sizes[0])


@family("hyperplanes far away")
def _(rng: np.random.Generator) -> Case:
    module = normal(rng, (20, 16, 1))
    weights, biases = rows_of(module)
    biases[:4] = -5 * np.linalg.norm(weights[:4], axis=1)
    put(linears(module)[0].bias, biases)
    return Case(module, "gradients", 20)


@family("shared hyperplanes")
def _(rng: np.random.Generator) -> Case:
    sizes = one_layer(rng)
    module = normal(rng, sizes)
    weights, biases = rows_of(module)
    for pair in range(int(rng.integers(1, 4))):
        factor = (-1.0, 1.0, 2.0)[rng.integers(3)]
        weights[2 * pair + 1], biases[2 * pair + 1] = factor * weights[2 * pair], factor * biases[2 * pair]
    put(linears(module)[0].weight, weights)
    put(linears(module)[0].bias, biases)
    return Case(module, "gradients", sizes[0])


@family("sparse rows")
def _(rng: np.random.Generator) -> Case:
    sizes = ((9, 9, 9, 1), (20, 16, 1), (12, 12, 1), (16, 10, 6, 1))[rng.integers(4)]
    module = normal(rng, sizes)
    for layer in linears(module)[:-1]:
        weight = layer.weight.detach().numpy()
        put(layer.weight, weight * (rng.uniform(size=weight.shape) > rng.choice([0.5, 0.8])))
    return Case(module, "gradients", sizes[0])


@family("sparse rows, values")
def _(rng: np.random.Generator) -> Case:
    module = normal(rng, (10, 10, 1))
    weights, _ = rows_of(module)
    put(linears(module)[0].weight, weights * (rng.uniform(size=weights.shape) > rng.choice([0.5, 0.8])))
    return Case(module, "values", 10)


@family("inputs of other scales")
def _(rng: np.random.Generator) -> Case:
    sizes = one_layer(rng)
    module = normal(rng, sizes)
    weights, _ = rows_of(module)
    put(linears(module)[0].weight, weights * 10 ** rng.uniform(-6, 6, sizes[0]))
    return Case(module, "gradients", sizes[0])


@family("large biases and dead units")
def _(rng: np.random.Generator) -> Case:
    sizes = one_layer(rng)
    module = normal(rng, sizes)
    weights, biases = rows_of(module)
    biases[: int(rng.integers(1, 4))] = rng.choice([-100.0, 100.0])
    weights[3] *= rng.choice([0.0, 1e-3])
    put(linears(module)[0].weight, weights)
    put(linears(module)[0].bias, biases)
    out = linears(module)[1].weight.detach().numpy().copy()
    out[0, 4] = 0.0
    put(linears(module)[1].weight, out)
    return Case(module, "gradients", sizes[0])


class Skip(nn.Module):
    """A network with a linear path beside it."""

    def __init__(self, inner: nn.Module, beside: nn.Linear) -> None:
        super().__init__()
        self.inner, self.beside = inner, beside

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of both."""
        return self.inner(x) + self.beside(x)


@family("one to three inputs")
def _(rng: np.random.Generator) -> Case:
    sizes = ((2, 3, 1), (3, 2, 1), (1, 4, 1), (1, 1, 1), (2, 8, 1), (3, 5, 2), (1, 12, 2))[rng.integers(7)]
    module: nn.Module = (normal if rng.integers(2) else network)(rng, sizes)
    if rng.integers(2):
        module = Skip(module, nn.Linear(sizes[0], sizes[-1], dtype=torch.float64))
    return Case(module, "gradients", sizes[0])


@family("one to three inputs, two layers")
def _(rng: np.random.Generator) -> Case:
    sizes = ((1, 4, 3, 1), (2, 5, 4, 1), (3, 3, 3, 1), (3, 6, 2, 1))[rng.integers(4)]
    return Case(normal(rng, sizes), "gradients", sizes[0])


@family("float32, two layers")
def _(rng: np.random.Generator) -> Case:
    sizes = ((12, 8, 6, 3), (16, 10, 5, 1))[rng.integers(2)]
    return Case((normal if rng.integers(2) else network)(rng, sizes, torch.float32), "gradients", sizes[0])


@family("float32, one layer")
def _(rng: np.random.Generator) -> Case:
    sizes = one_layer(rng)
    return Case((normal if rng.integers(2) else network)(rng, sizes, torch.float32), "gradients", sizes[0])


@family("narrow, ten outputs, values")
def _(rng: np.random.Generator) -> Case:
    return Case(network(rng, (40, 4, 10)), "values", 40)


@family("narrow, ten outputs")
def _(rng: np.random.Generator) -> Case:
    return Case(network(rng, (40, 4, 10)), "gradients", 40)


@family("trained")
def _(rng: np.random.Generator) -> Case:
    sizes = ((8, 16, 1), (10, 8, 1), (6, 8, 8, 1))[rng.integers(3)]
    module = network(rng, sizes)
    inputs = torch.from_numpy(rng.standard_normal((256, sizes[0])))
    wanted = torch.sin(2 * inputs[:, :1]) + inputs[:, 1:2] * inputs[:, 2:3]
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.mse_loss(module(inputs), wanted).backward()
        optimizer.step()
    return Case(module, "gradients", sizes[0])


@family("quantised weights")
def _(rng: np.random.Generator) -> Case:
    sizes = ((12, 10, 1), (8, 8, 1), (10, 6, 4, 1))[rng.integers(3)]
    module = normal(rng, sizes)
    step = rng.choice([0.25, 0.125, 1.0])
    for layer in linears(module):
        put(layer.weight, np.round(4 * layer.weight.detach().numpy() / step) * step)
        put(layer.bias, np.round(layer.bias.detach().numpy() / step) * step)
    return Case(module, "gradients", sizes[0])


@family("rows of low rank")
def _(rng: np.random.Generator) -> Case:
    sizes = ((12, 10, 1), (20, 16, 1))[rng.integers(2)]
    module = normal(rng, sizes)
    rank = int(rng.integers(2, 5))
    put(
        linears(module)[0].weight,
        rng.standard_normal((sizes[1], rank))
        @ rng.standard_normal((rank, sizes[0]))
        / np.sqrt(rank * sizes[0]),
    )
    return Case(module, "gradients", sizes[0])


@family("more units than inputs")
def _(rng: np.random.Generator) -> Case:
    sizes = ((6, 16, 1), (4, 12, 1), (8, 24, 2))[rng.integers(3)]
    return Case((normal if rng.integers(2) else network)(rng, sizes), "gradients", sizes[0])


@family("correlated rows")
def _(rng: np.random.Generator) -> Case:
    sizes = one_layer(rng)
    module = normal(rng, sizes)
    weights, _ = rows_of(module)
    share = rng.uniform(0.7, 0.999)
    put(
        linears(module)[0].weight,
        (1 - share) * weights + share * rng.standard_normal(sizes[0]) / np.sqrt(sizes[0]),
    )
    return Case(module, "gradients", sizes[0])


@family("heavy-tailed weights")
def _(rng: np.random.Generator) -> Case:
    sizes = ((20, 16, 1), (12, 12, 1), (10, 8, 5, 1))[rng.integers(3)]
    module = normal(rng, sizes)
    for layer in linears(module):
        put(layer.weight, rng.standard_cauchy(tuple(layer.weight.shape)))
    return Case(module, "gradients", sizes[0])


@family("bottleneck")
def _(rng: np.random.Generator) -> Case:
    sizes = ((12, 8, 2, 6, 1), (10, 6, 3, 8, 1), (16, 3, 8, 1))[rng.integers(3)]
    return Case(normal(rng, sizes), "gradients", sizes[0])


@family("two layers")
def _(rng: np.random.Generator) -> Case:
    sizes = ((12, 8, 6, 1), (16, 10, 6, 3), (10, 10, 5, 1))[rng.integers(3)]
    return Case((normal if rng.integers(2) else network)(rng, sizes), "gradients", sizes[0])


@family("three layers")
def _(rng: np.random.Generator) -> Case:
    sizes = ((12, 8, 6, 4, 1), (16, 12, 8, 5, 2))[rng.integers(2)]
    return Case((normal if rng.integers(2) else network)(rng, sizes), "gradients", sizes[0])


@family("narrow behind many inputs")
def _(rng: np.random.Generator) -> Case:
    hidden = rng.integers(4, 11, size=rng.integers(2, 4))
    sizes = (int(rng.integers(12, 120)), *map(int, hidden), int(rng.integers(1, 4)))
    return Case(normal(rng, sizes), "gradients", sizes[0], budget=2 * BUDGET)


@family("box, one layer")
def _(rng: np.random.Generator) -> Case:
    sizes = ((10, 8, 1), (20, 16, 1), (6, 6, 2))[rng.integers(3)]
    box = ((-1.0, 1.0), (0.0, 1.0))[rng.integers(2)]
    return Case((normal if rng.integers(2) else network)(rng, sizes), "gradients", sizes[0], box)


@family("box, two layers")
def _(rng: np.random.Generator) -> Case:
    sizes = ((6, 12, 4, 1), (8, 6, 4, 1))[rng.integers(2)]
    return Case(network(rng, sizes), "gradients", sizes[0], (-1.0, 1.0))


@family("gradients alone")
def _(rng: np.random.Generator) -> Case:
    sizes = ((20, 16, 1), (30, 10, 1), (12, 12, 1))[rng.integers(3)]
    return Case((normal if rng.integers(2) else network)(rng, sizes), "gradients alone", sizes[0])


@family("all gradients")
def _(rng: np.random.Generator) -> Case:
    sizes = ((20, 16, 3), (12, 8, 6, 3))[rng.integers(2)]
    return Case(normal(rng, sizes), "all gradients", sizes[0])


@family("values, one layer")
def _(rng: np.random.Generator) -> Case:
    sizes = ((10, 8, 1), (12, 12, 2))[rng.integers(2)]
    return Case((normal if rng.integers(2) else network)(rng, sizes), "values", sizes[0])


@family("values, two layers")
def _(rng: np.random.Generator) -> Case:
    return Case(normal(rng, (8, 6, 4, 1)), "values", 8)


@family("probabilities")
def _(rng: np.random.Generator) -> Case:
    return Case(network(rng, (10, 8, 3)), "probabilities", 10)


@family("many at once")
def _(rng: np.random.Generator) -> Case:
    sizes = one_layer(rng)
    names = "parallel, gap 1e-6 to .1", "hyperplanes far away", "shared hyperplanes", "sparse rows"
    case = FAMILIES[names[rng.integers(4)]](rng)
    if rng.integers(2) or len(linears(case.module)) > 2:
        case = Case(normal(rng, sizes), "gradients", sizes[0])
    return Case(case.module, "batch", case.inputs)
