"""Units other than ReLUs, and skips: `python bench/kinds.py [--only leaky] [--seeds 5] [--random]`.

Networks of two and three hidden layers learn a smooth function by Adam; `--random` leaves PyTorch's start
untrained. Float64, gradients of one output a query. Every copy is compared with the victim at 4,000 points of
each of five scales.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

import divulge
from controllers import rebuilt

SCALES = (0.3, 1.0, 3.0, 10.0, 100.0)


class Applied(nn.Module):
    """A function of a block's output and its input."""

    def __init__(self, combine: Callable[[Tensor, Tensor], Tensor], *block: nn.Module) -> None:
        super().__init__()
        self.combine, self.block = combine, nn.Sequential(*block)

    def forward(self, x: Tensor) -> Tensor:
        """Return the function of block(x) and x."""
        return self.combine(self.block(x), x)


def around(*block: nn.Module) -> Applied:
    """Return x -> block(x) + x."""
    return Applied(torch.add, *block)


def beside(*block: nn.Module) -> Applied:
    """Return x -> (block(x), x)."""
    return Applied(lambda y, x: torch.cat([y, x], dim=1), *block)


def absolute(units: int) -> nn.Module:
    """Return x -> |x|."""
    return Applied(lambda y, _: y.abs())


def maxout(inputs: int, outputs: int) -> nn.Module:
    """Return the larger of two linear functions, output by output."""
    return Applied(lambda y, _: torch.maximum(*y.chunk(2, dim=1)), nn.Linear(inputs, 2 * outputs))


def chain(*sizes: int, unit: Callable[[int], nn.Module]) -> nn.Sequential:
    """Return linear layers with units between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), unit(outputs)]
    return nn.Sequential(*layers[:-1])


def leaky(units: int) -> nn.Module:
    """Return units of slope .1."""
    return nn.LeakyReLU(0.1)


def sloped(units: int) -> nn.Module:
    """Return units of slopes from -.5 to .6."""
    module = nn.PReLU(units)
    with torch.no_grad():
        module.weight.copy_(torch.linspace(-0.5, 0.6, units))
    return module


def ends(inputs: int, hidden: int, outputs: int) -> list[nn.Module]:
    """Return a plain hidden layer and the outputs."""
    return [nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs)]


VICTIMS: dict[str, Callable[[], nn.Sequential]] = {
    "leaky 20-12-8-1": lambda: chain(20, 12, 8, 1, unit=leaky),
    "leaky 10-16-16-3": lambda: chain(10, 16, 16, 3, unit=leaky),
    "leaky 6-20-10-1": lambda: chain(6, 20, 10, 1, unit=leaky),
    "leaky 30-10-10-10-2": lambda: chain(30, 10, 10, 10, 2, unit=leaky),
    "prelu 20-12-8-1": lambda: chain(20, 12, 8, 1, unit=sloped),
    "abs 20-12-8-1": lambda: chain(20, 12, 8, 1, unit=absolute),
    "abs 6-20-10-1": lambda: chain(6, 20, 10, 1, unit=absolute),
    "abs, relu 8-10-6-2": lambda: nn.Sequential(nn.Linear(8, 10), absolute(10), *ends(10, 6, 2)),
    "relu6 20-12-8-1": lambda: chain(20, 12, 8, 1, unit=lambda n: nn.ReLU6()),
    "hardtanh 20-12-8-1": lambda: chain(20, 12, 8, 1, unit=lambda n: nn.Hardtanh()),
    "maxout 20-8-6-1": lambda: nn.Sequential(maxout(20, 8), maxout(8, 6), nn.Linear(6, 1)),
    "relu, leaky 20-12-8-1": lambda: nn.Sequential(
        nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 8), leaky(8), nn.Linear(8, 1)
    ),
    "around first 12-8": lambda: nn.Sequential(
        around(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 12)), *ends(12, 10, 1)
    ),
    "around units 12-12": lambda: nn.Sequential(around(nn.Linear(12, 12), nn.ReLU()), *ends(12, 10, 2)),
    "around second 15-10": lambda: nn.Sequential(
        nn.Linear(15, 10), nn.ReLU(), around(nn.Linear(10, 10), nn.ReLU()), nn.Linear(10, 1)
    ),
    "around two 12-8-8": lambda: nn.Sequential(
        around(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 12)), nn.Linear(12, 3)
    ),
    "residual 16-8-8-8": lambda: nn.Sequential(
        nn.Linear(16, 8),
        around(nn.ReLU(), nn.Linear(8, 8)),
        around(nn.ReLU(), nn.Linear(8, 8)),
        nn.ReLU(),
        nn.Linear(8, 3),
    ),
    "beside 12-8": lambda: nn.Sequential(beside(nn.Linear(12, 8), nn.ReLU()), *ends(20, 10, 1)),
    "beside both 10-8-8": lambda: nn.Sequential(
        beside(nn.Linear(10, 8), nn.ReLU()), beside(nn.Linear(18, 8), nn.ReLU()), nn.Linear(26, 1)
    ),
    "relu behind output": lambda: nn.Sequential(*chain(20, 12, 8, 1, unit=lambda n: nn.ReLU()), nn.ReLU()),
}


def victim_of(name: str, seed: int, random: bool, steps: int = 300) -> nn.Sequential:
    """Return a network, trained to imitate a smooth function unless it is to be random."""
    torch.manual_seed(seed)
    module = VICTIMS[name]().double()
    if not random:
        inputs = int(next(module.parameters()).shape[1])
        points = torch.randn(2000, inputs, dtype=torch.float64)
        outputs = module(points[:1]).shape[1]
        right = torch.sin(2 * points @ torch.randn(inputs, outputs, dtype=torch.float64) / inputs**0.5)
        right = right + (points[:, :1] * points[:, 1:2]).abs().sqrt()
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.mse_loss(module(points), right).backward()
            optimizer.step()
    return module.eval().requires_grad_(False)


def main() -> None:
    """Print one line for every network and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of the names")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--random", action="store_true", help="untrained")
    parser.add_argument("--budget", type=int, default=100_000)
    options = parser.parse_args()
    print(f"{'network':>22} seed {'hidden':>9} {'queries':>8} {'certif.':>8} {'error':>8} complete   s kinds")
    for name in (name for name in VICTIMS if options.only in name):
        for seed in range(options.seeds):
            line(name, victim_of(name, seed, options.random), seed, options.budget)


def line(name: str, module: nn.Sequential, seed: int, budget: int) -> None:
    """Rebuild one victim, compare and print."""
    victim = divulge.Victim(module, input_shape=(int(next(module.parameters()).shape[1]),))
    result, seconds, error = rebuilt(victim, seed, budget, SCALES)
    hidden = "-".join(map(str, result.hidden_sizes))
    print(
        f"{name:>22} {seed:>4} {hidden:>9} {result.queries:>8} {result.certificate.error:>8.0e} "
        f"{error:>8.0e} "
        f"{'yes' if result.complete else 'no':>8} {seconds:>3.0f} {', '.join(result.unit_kinds)}",
        flush=True,
    )


if __name__ == "__main__":
    main()
