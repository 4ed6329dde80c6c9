"""Queries per hidden unit on random networks: `python bench/queries.py [--seeds 20] [--only 784-128-1]`.

Two kinds of weights: normal (rows of length about 1, biases of about a half) and PyTorch's own start values.
Every reconstruction is checked before it counts: every unit, and max|f - f^| on 2,000 standard normal points.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time

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


def run(sizes: tuple[int, int, int], seed: int, start: str, values: bool) -> tuple[float, float, float, bool]:
    """Return queries per unit, relative error, seconds, and whether every unit was found."""
    victim = divulge.Victim(network(*sizes, seed, start), input_shape=(sizes[0],))
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
    return result.queries / sizes[1], relative, seconds, result.complete and result.hidden_units == sizes[1]


def main() -> None:
    """Print one line for every size and kind of weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", choices=SIZES)
    parser.add_argument("--gradients-alone", action="store_true")
    options = parser.parse_args()
    print(
        f"{'network':>10} {'weights':>8} {'exact':>7} {'queries/unit: median':>20}",
        f"{'max':>5} {'error':>8} {'s':>6}",
    )
    for name in SIZES if options.only is None else (options.only,):
        inputs, hidden, outputs = map(int, name.split("-"))
        for start in ("normal", "pytorch"):
            rows = [
                run((inputs, hidden, outputs), seed, start, not options.gradients_alone)
                for seed in range(options.seeds)
            ]
            exact = sum(found and error < 1e-9 for _, error, _, found in rows)
            asked = [row[0] for row in rows]
            print(
                f"{name:>10} {start:>8} {exact:>3}/{len(rows):<3} {statistics.median(asked):>20.2f}",
                f"{max(asked):>5.2f} {max(row[1] for row in rows):>8.0e}",
                f"{statistics.median(row[2] for row in rows):>6.2f}",
                flush=True,
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
