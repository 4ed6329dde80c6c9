"""Networks whose second layer is hardly ever on: `python bench/hardly_on.py [--only 40-24-24-3] [--seeds 5]`.

The second layer's biases of random networks, and of ones trained on MNIST, are lowered by 2 and by 2.5
standard deviations of its pre-activations at normal points. Each copy is compared with the victim at 4,000
points of six scales, relative to the range at that scale or at normal points, whichever is larger: near the
origin some outputs are constant.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor, nn
from torch.nn import functional

import divulge
from controllers import network
from weight_decay import images, off

NAMES = ("40-24-24-3", "100-48-48-5")
LOWERED = (2.0, 2.5)
EPOCHS, BATCH, RATE = 8, 128, 2e-3


def trained(sizes: list[int], seed: int) -> nn.Sequential:
    """Return a classifier of averaged MNIST images, in float64."""
    x, y = images(sizes[0], sizes[-1])
    module = network(sizes, seed).float()
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            functional.cross_entropy(module(x[rows]), y[rows]).backward()
            optimizer.step()
    return module.double()


def lowered(module: nn.Sequential, by: float, seed: int) -> Tensor:
    """Lower the second layer's biases by so many standard deviations; return its states (n, h) after that."""
    generator = torch.Generator().manual_seed(seed)
    size = module[0].in_features
    points = torch.randn(4000, size, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        levels = module[:3](points)
        module[2].bias -= by * levels.std(dim=0)
        return module[:3](points) > 0


def main() -> None:
    """Print one line for every network, drop of the biases and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of the names")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=60_000)
    options = parser.parse_args()
    cases = [
        (name, how, by)
        for name in NAMES
        if options.only in name
        for how in ("random", "trained")
        for by in LOWERED
    ]
    for name, how, by in cases:
        for seed in range(options.seeds):
            sizes = [int(size) for size in name.split("-")]
            module = (trained if how == "trained" else network)(sizes, seed)
            on = lowered(module, by, seed)
            victim, began = divulge.Victim(module, input_shape=(sizes[0],)), time.process_time()
            result = divulge.reconstruct(divulge.GradientOracle(victim, budget=options.budget), seed=seed)
            print(
                f"{name:>11} {how:>7} -{by} {seed}: on {float(on.double().mean()):.3f}, none on "
                f"{float((~on).all(dim=1).double().mean()):.2f}, {result.hidden_sizes} "
                f"{result.queries:>5} queries, off by {off(victim, result.module):.0e}, "
                f"{'complete' if result.complete else 'incomplete'}, "
                f"{time.process_time() - began:.1f} CPU s",
                flush=True,
            )


if __name__ == "__main__":
    main()
