"""Queries per hidden unit on random networks: `python bench/queries.py [--seeds 20] [--only 784-128-1]`.

Two kinds of weights: normal (rows of length about 1, biases of about a half) and PyTorch's own start values.
Every reconstruction is checked before it counts: every unit, and max|f - f^| on 2,000 standard normal points,
relative to the range of f; with --gradients-alone also the offsets, to 1e-10. An offset is how far a unit's
hyperplane is shifted, its row scaled to length 1.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

import divulge

SIZES = ("784-32-1", "784-128-1", "784-512-1")


def network(inputs: int, hidden: int, outputs: int, seed: int, start: str) -> nn.Sequential:
    """Return one random victim in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs)).double()
        if start == "normal":
            with torch.no_grad():
                for parameter in layers.parameters():
                    scale = parameter.shape[1] ** -0.5 if parameter.ndim > 1 else 0.5
                    parameter.normal_(0, scale)
    return layers


@dataclass
class Run:
    """One reconstruction: what it cost and how far it is off."""

    queries: int
    error: float
    offsets: float
    seconds: float
    found: bool


def planes(layer: nn.Module) -> np.ndarray:
    """Return rows scaled to length 1 with their offsets, shape (h, d + 1)."""
    rows = torch.cat([layer.weight, layer.bias[:, None]], dim=1).detach().numpy()
    return rows / np.linalg.norm(rows[:, :-1], axis=1, keepdims=True)


def offset_error(true: nn.Sequential, copy: nn.Sequential) -> float:
    """Return the largest error of an offset over all units, each with the unit of the nearest row."""
    own, found = planes(true[0]), planes(copy[0])
    cosine = own[:, :-1] @ found[:, :-1].T
    partner = np.abs(cosine).argmax(axis=1)
    turned = np.sign(cosine[np.arange(len(own)), partner])
    return float(np.abs(own[:, -1] - turned * found[partner, -1]).max())


def run(sizes: tuple[int, int, int], seed: int, start: str, values: bool) -> Run:
    """Reconstruct one random network and compare."""
    true = network(*sizes, seed, start)
    victim = divulge.Victim(true, input_shape=(sizes[0],))
    oracle = divulge.GradientOracle(victim, values=values)
    began = time.perf_counter()
    result = divulge.reconstruct(oracle, seed=seed)
    seconds = time.perf_counter() - began
    points = np.random.default_rng(12345).standard_normal((2000, sizes[0]))
    with torch.no_grad():
        error = result.module(torch.from_numpy(points)).numpy() - victim.values(points)
    if not values:
        error = error - error.mean(axis=0)  # gradients do not show the output bias
    relative = float(np.abs(error).max() / np.ptp(victim.values(points)))
    found = result.complete and result.hidden_units == sizes[1]
    offsets = offset_error(true, result.module) if found else float("inf")
    return Run(result.queries, relative, offsets, seconds, found)


def main() -> None:
    """Print one line for every size and kind of weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", choices=SIZES)
    parser.add_argument("--gradients-alone", action="store_true")
    options = parser.parse_args()
    print(
        f"{'network':>10} {'weights':>8} {'exact':>7} {'queries/unit: median':>20} {'max':>5}",
        f"{'queries: most':>13} {'error':>8} {'offsets':>8} {'s':>6}",
    )
    for name in SIZES if options.only is None else (options.only,):
        inputs, hidden, outputs = map(int, name.split("-"))
        for start in ("normal", "pytorch"):
            runs = [
                run((inputs, hidden, outputs), seed, start, not options.gradients_alone)
                for seed in range(options.seeds)
            ]
            exact = sum(
                one.found and one.error < 1e-9 and (one.offsets < 1e-10 or not options.gradients_alone)
                for one in runs
            )
            asked = [one.queries for one in runs]
            print(
                f"{name:>10} {start:>8} {exact:>3}/{len(runs):<3} {statistics.median(asked) / hidden:>20.2f}",
                f"{max(asked) / hidden:>5.2f} {max(asked):>13} {max(one.error for one in runs):>8.0e}",
                f"{max(one.offsets for one in runs):>8.0e}",
                f"{statistics.median(one.seconds for one in runs):>6.2f}",
                flush=True,
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
