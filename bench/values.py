"""Queries and errors from values alone: `python bench/values.py [--seeds 20] [--only 784-128-1] [--float32]`.

One query returns one number. Two kinds of weights, as in bench/queries.py. A seed counts as exact
when the reconstruction says that it is complete and every unit is there; a row names of the exact seeds the
queries, the largest max|theta - theta^| in canonical form, the largest max|f - f^| on 2,000 standard normal
points relative to the range of f, and of all seeds the seconds of CPU time.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from itertools import pairwise

import numpy as np
import torch
from torch import nn

import divulge
from queries import network

SIZES = ("784-32-1", "784-128-1", "10-10-10-1", "10-20-20-1", "40-20-10-10-1", "80-40-20-1")


def deep_network(sizes: tuple[int, ...], seed: int, start: str) -> nn.Sequential:
    """Return one random victim of several hidden layers in float64; normal weights keep a signal's size."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        linear = [nn.Linear(a, b).double() for a, b in pairwise(sizes)]
        if start == "normal":
            with torch.no_grad():
                for place, layer in enumerate(linear):
                    layer.weight.normal_(0, ((2 if place else 1) / layer.in_features) ** 0.5)
                    layer.bias.normal_(0, 0.3)
    return nn.Sequential(*[m for layer in linear for m in (layer, nn.ReLU())][:-1])


def run(
    sizes: tuple[int, ...], seed: int, start: str, single: bool, budget: int | None
) -> tuple[int, float, float, float, bool]:
    """Return queries, parameter error, relative output error, seconds, and whether every unit was found."""
    module = network(*sizes, seed, start) if len(sizes) == 3 else deep_network(sizes, seed, start)
    victim = divulge.Victim(module.float() if single else module, input_shape=(sizes[0],))
    oracle = divulge.ValueOracle(victim, budget=budget)
    began = time.process_time()
    result = divulge.reconstruct(oracle, seed=seed)
    seconds = time.process_time() - began
    points = np.random.default_rng(12345).standard_normal((2000, sizes[0]))
    found = divulge.compare(result, victim, points)
    exact = result.complete and result.hidden_units == sum(sizes[1:-1])
    parameters = math.inf if found.max_parameter_error is None else found.max_parameter_error
    return result.queries, parameters, found.max_output_error / found.output_range, seconds, exact


def main() -> None:
    """Print one line for every size and kind of weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", choices=SIZES)
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--budget", type=int, default=2**18)
    options = parser.parse_args()
    head = f"{'network':>13} {'weights':>8} {'exact':>7}"
    print(f"{head} queries: median, most; errors of theta, f; CPU s: median, most")
    for name in SIZES if options.only is None else (options.only,):
        sizes = tuple(map(int, name.split("-")))
        for start in ("normal", "pytorch"):
            rows = [run(sizes, seed, start, options.float32, options.budget) for seed in range(options.seeds)]
            whole = [row for row in rows if row[4]] or rows
            asked = sorted(row[0] for row in whole)
            print(
                f"{name:>13} {start:>8} {sum(row[4] for row in rows):>3}/{len(rows):<3}",
                f"2^{math.log2(statistics.median(asked)):.2f} 2^{math.log2(asked[-1]):.2f}",
                f"{max(row[1] for row in whole):>8.1e} {max(row[2] for row in whole):>8.1e}",
                f"{statistics.median(row[3] for row in rows):>6.2f} {max(row[3] for row in rows):>6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
