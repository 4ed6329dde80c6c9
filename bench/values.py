"""Queries and errors from values alone: `python bench/values.py [--seeds 20] [--only 784-128-1] [--float32]`.

One query returns one number. Two kinds of weights, as in bench/queries.py. A seed counts as exact when the
reconstruction says that it is complete and every unit of the victim is there. A row names of the exact seeds
the queries, max|theta - theta^| in canonical form, and the largest max|f - f^| on 2,000 standard normal
points relative to the range of f; of all seeds the seconds of CPU time; and how many times fewer queries and
seconds the median is than published (Carlini, Jagielski, Mironov 2020; 56 s is what their code took on
80-40-20-1 on a like machine).
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

PUBLISHED = {  # log2 of queries, and seconds where they were measured
    "784-32-1": (19.2, None),
    "784-128-1": (21.5, None),
    "10-10-10-1": (16.0, None),
    "10-20-20-1": (17.1, None),
    "40-20-10-10-1": (17.8, None),
    "80-40-20-1": (18.5, 56.0),
}


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
    exact = result.complete and found.units_matched == result.hidden_units == sum(sizes[1:-1])
    parameters = math.inf if found.max_parameter_error is None else found.max_parameter_error
    return result.queries, parameters, found.max_output_error / found.output_range, seconds, exact


def main() -> None:
    """Print one line for every size and kind of weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", choices=PUBLISHED)
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--budget", type=int, default=2**18)
    options = parser.parse_args()
    head = f"{'network':>13} {'weights':>8} {'exact':>7}"
    print(f"{head} queries: median, most; theta: median, worst; f; CPU s: median, most; fewer, faster")
    for name in PUBLISHED if options.only is None else (options.only,):
        sizes = tuple(map(int, name.split("-")))
        for start in ("normal", "pytorch"):
            rows = [run(sizes, seed, start, options.float32, options.budget) for seed in range(options.seeds)]
            whole = [row for row in rows if row[4]] or rows
            print(f"{name:>13} {start:>8} {sum(row[4] for row in rows):>3}/{len(rows):<3}", end=" ")
            print(line(whole, [row[3] for row in rows], *PUBLISHED[name]), flush=True)


def line(
    rows: list[tuple[int, float, float, float, bool]],
    seconds: list[float],
    published: float,
    published_seconds: float | None,
) -> str:
    """Return a row's figures."""
    asked, theta = sorted(row[0] for row in rows), sorted(row[1] for row in rows)
    queries, taken = statistics.median(asked), statistics.median(seconds)
    return " ".join(
        [
            f"2^{math.log2(queries):.2f} 2^{math.log2(asked[-1]):.2f}",
            f"{statistics.median(theta):>8.1e} {theta[-1]:>8.1e} {max(row[2] for row in rows):>8.1e}",
            f"{taken:>6.2f} {max(seconds):>6.2f} {2**published / queries:>5.1f}x",
            f"{published_seconds / taken:>5.1f}x" if published_seconds else "",
        ]
    )


if __name__ == "__main__":
    main()
