"""Narrow deep classifiers of images: `python bench/narrow.py [--only 784-8-8-1] [--seeds 5]`.

Adam on MNIST, of CIFAR-10 where there are 3,072 inputs; one output tells the first five classes from the
others. Float32, then cast to double; gradients of one output a query. Each copy is compared with the victim
at the test images and at 4,000 normal points of three scales.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import nn

import divulge
from divulge.datasets import Dataset, load
from divulge.training import accuracy, fit_classifier, mlp

CHAINS = tuple("784-" + "8-" * depth + "1" for depth in range(2, 9))
SIZES = (*CHAINS, "784-20-20-20-1", "784-16-16-16-10", "3072-" + "8-" * 8 + "1")
SCALES = (1.0, 3.0, 10.0)


@cache
def images(inputs: int, outputs: int) -> Dataset:
    """Return MNIST or CIFAR-10; for one output whether a class is one of the last five."""
    data = load("mnist" if inputs == 784 else "cifar10")
    if outputs > 1:
        return data
    half = (data.train_targets >= 5).long(), (data.test_targets >= 5).long()
    return replace(data, train_targets=half[0], test_targets=half[1])


def trained(sizes: list[int], seed: int, epochs: int) -> nn.Sequential:
    """Return a classifier in float64 that was trained in float32."""
    data = images(sizes[0], sizes[-1])
    module = mlp(data.input_shape, sizes[1:-1], sizes[-1], seed=seed)
    fit_classifier(module, data.train_inputs, data.train_targets, seed=seed, epochs=epochs, batch_size=128)
    return module.double().requires_grad_(False)


def largest_error(victim: nn.Module, copy: nn.Module, inputs: torch.Tensor) -> float:
    """Return the largest error of any output over its range, at images and at normal points."""
    rng, worst = np.random.default_rng(12345), 0.0
    flat = inputs.double().flatten(1)
    draws = [scale * torch.from_numpy(rng.standard_normal((4000, flat.shape[1]))) for scale in SCALES]
    for points in (flat, *draws):
        truth = victim(points)
        spread = truth.amax(dim=0) - truth.amin(dim=0)
        off = (copy(points) - truth).abs().amax(dim=0)
        worst = max(worst, float((off / spread.clamp_min(1e-9 * float(truth.abs().max()) + 1e-300)).max()))
    return worst


def main() -> None:
    """Print one line for every network and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=SIZES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--budget", type=int, default=60_000)
    options = parser.parse_args()
    print("             network seed accuracy               found queries  certif.    error complete CPU s")
    for name in options.only:
        sizes = [int(size) for size in name.split("-")]
        for seed in range(options.first, options.first + options.seeds):
            line(name, sizes, seed, options)


def line(name: str, sizes: list[int], seed: int, options: argparse.Namespace) -> None:
    """Train one victim, rebuild it, compare and print."""
    data, module = images(sizes[0], sizes[-1]), trained(sizes, seed, options.epochs)
    right = accuracy(module, data.test_inputs, data.test_targets)
    victim = divulge.Victim(module, input_shape=data.input_shape)
    began = time.process_time()
    result = divulge.reconstruct(divulge.GradientOracle(victim, budget=options.budget), seed=seed)
    seconds = time.process_time() - began
    error = largest_error(module, result.module, data.test_inputs)
    said = "yes" if result.complete else "no"
    found = "-".join(map(str, result.hidden_sizes))
    print(
        f"{name:>20} {seed:>4} {right:>8.4f} {found:>19} {result.queries:>7} "
        f"{result.certificate.error:>8.0e} {error:>8.0e} {said:>8} {seconds:>5.0f}",
        flush=True,
    )
    for note in () if result.complete else result.notes:
        print(f"{'':>20} {note.sentence}", flush=True)


if __name__ == "__main__":
    with torch.no_grad():
        main()
