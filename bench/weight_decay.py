"""Classifiers trained with weight decay and dropout: `python bench/weight_decay.py [--only 64-48]`.

Adam's weight decay leaves units of all strengths, a penalty on the second layer's outputs makes them
rare. Each copy is compared with the victim at 4,000 normal points of three scales.
"""

from __future__ import annotations

import argparse
import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

import divulge
from controllers import rebuilt
from divulge.datasets import load

NAMES = ("64-48-48-5", "784-64-64-10", "784-128-128-10", "784-256-256-10")
SCALES = (1.0, 3.0, 10.0)
IMAGES, EPOCHS, BATCH = 12_000, 12, 128
RATE, DECAY, DROPPED, PENALTY = 2e-3, 1e-4, 0.3, 0.01


def images(inputs: int, classes: int) -> tuple[Tensor, Tensor]:
    """Return images (n, inputs) of the first classes of MNIST, averaged down to fewer pixels, and labels.

    Of the least square of pixels that holds as many as inputs the first are taken.
    """
    data = load("mnist")
    x, y = data.train_inputs[:IMAGES].float(), data.train_targets[:IMAGES].long()
    if inputs != 784:
        x = functional.adaptive_avg_pool2d(x.reshape(-1, 1, 28, 28), math.isqrt(inputs - 1) + 1)
    return x.reshape(len(x), -1)[y < classes, :inputs], y[y < classes]


def trained(sizes: list[int], seed: int, decay: float = DECAY, dropped: float = DROPPED) -> nn.Sequential:
    """Return a classifier of two hidden layers in float64."""
    x, y = images(sizes[0], sizes[-1])
    torch.manual_seed(seed)
    first, second, last = (nn.Linear(a, b) for a, b in pairwise(sizes))
    module = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE, weight_decay=decay)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            hidden = torch.relu(second(functional.dropout(torch.relu(first(x[rows])), dropped)))
            loss = functional.cross_entropy(last(functional.dropout(hidden, dropped)), y[rows])
            optimizer.zero_grad()
            (loss + PENALTY * hidden.sum(dim=1).mean()).backward()
            optimizer.step()
    return module.double().requires_grad_(False)


def main() -> None:
    """Print one line for every network and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of the names")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=40_000)
    parser.add_argument("--decay", type=float, default=DECAY)
    parser.add_argument("--dropout", type=float, default=DROPPED)
    options = parser.parse_args()
    for name in (name for name in NAMES if options.only in name):
        for seed in range(options.seeds):
            sizes = [int(size) for size in name.split("-")]
            victim = divulge.Victim(
                trained(sizes, seed, options.decay, options.dropout), input_shape=(sizes[0],)
            )
            result, seconds, error = rebuilt(victim, seed, options.budget, SCALES)
            said = "complete" if result.complete else "incomplete"
            print(
                f"{name:>14} {seed} {result.hidden_sizes!s:>9} {result.queries:>6} queries, "
                f"off by {error:.0e}, {said}, {seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
