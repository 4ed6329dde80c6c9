"""Classifiers trained with weight decay and dropout: `python bench/weight_decay.py [--only 64-48]`.

Adam's weight decay leaves units of all strengths, a penalty on the second layer's outputs makes them
rare. `--long` trains with much of both, for 20 epochs: the second layer is hardly ever on then. Each copy
is compared with the victim at 4,000 normal points of six scales.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import divulge
from divulge.datasets import load

NAMES = ("64-48-48-5", "784-64-64-10", "784-128-128-10", "784-256-256-10")
SCALES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
IMAGES, BATCH, RATE = 12_000, 128, 2e-3


@dataclass(frozen=True)
class Training:
    """What a classifier is trained on, and how: passes, weight decay, dropout, and on what is on."""

    data: str = "mnist"
    epochs: int = 12
    decay: float = 1e-4
    dropped: float = 0.3
    penalty: float = 0.01


LONG = Training(epochs=20, decay=1e-3, penalty=0.03)


def images(inputs: int, classes: int, name: str = "mnist") -> tuple[Tensor, Tensor]:
    """Return images (n, inputs) of a data set's first classes, averaged down to fewer pixels, and labels.

    Of the least square of pixels that holds as many as inputs the first are taken.
    """
    data = load(name)
    x, y = data.train_inputs[:IMAGES].float(), data.train_targets[:IMAGES].long()
    if inputs != 784:
        x = functional.adaptive_avg_pool2d(x.reshape(-1, 1, 28, 28), math.isqrt(inputs - 1) + 1)
    return x.reshape(len(x), -1)[y < classes, :inputs], y[y < classes]


def trained(sizes: list[int], seed: int, how: Training) -> nn.Sequential:
    """Return a classifier of two hidden layers in float64."""
    x, y = images(sizes[0], sizes[-1], how.data)
    torch.manual_seed(seed)
    first, second, last = (nn.Linear(a, b) for a, b in pairwise(sizes))
    module = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE, weight_decay=how.decay)
    for _ in range(how.epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            hidden = torch.relu(second(functional.dropout(torch.relu(first(x[rows])), how.dropped)))
            loss = functional.cross_entropy(last(functional.dropout(hidden, how.dropped)), y[rows])
            optimizer.zero_grad()
            (loss + how.penalty * hidden.sum(dim=1).mean()).backward()
            optimizer.step()
    return module.double().requires_grad_(False)


def off(victim: divulge.Victim, copy: nn.Module) -> float:
    """Return the largest error at any scale, relative to the largest range of an output there or at 1."""
    rng, worst = np.random.default_rng(12345), 0.0
    normal = rng.standard_normal((4000, victim.input_size))
    with torch.no_grad():
        usual = np.ptp(victim.values(normal), axis=0).max()
        for scale in SCALES:
            truth = victim.values(scale * normal)
            told = copy(torch.from_numpy(scale * normal)).numpy()
            worst = max(worst, float(np.abs(told - truth).max() / max(np.ptp(truth, axis=0).max(), usual)))
    return worst


def main() -> None:
    """Print one line for every network and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of the names")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=60_000)
    parser.add_argument("--long", action="store_true", help="for the second layer to be on hardly ever")
    parser.add_argument("--data", choices=("mnist", "fashion-mnist"), default="mnist")
    options = parser.parse_args()
    how = replace(LONG if options.long else Training(), data=options.data)
    for name in (name for name in NAMES if options.only in name):
        for seed in range(options.seeds):
            sizes = [int(size) for size in name.split("-")]
            module = trained(sizes, seed, how)
            normal = torch.randn(4000, sizes[0], dtype=torch.float64)
            on = float((module[:3](normal) > 0).sum(dim=1).double().mean())
            victim, began = divulge.Victim(module, input_shape=(sizes[0],)), time.process_time()
            result = divulge.reconstruct(divulge.GradientOracle(victim, budget=options.budget), seed=seed)
            said = "complete" if result.complete else "incomplete"
            print(
                f"{name:>14} {seed} on {on:.1f}, {result.hidden_sizes!s:>9} {result.queries:>6} queries, "
                f"off by {off(victim, result.module):.0e}, {said}, {time.process_time() - began:.0f} CPU s",
                flush=True,
            )


if __name__ == "__main__":
    main()
