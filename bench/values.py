"""Queries and errors from values alone: `python bench/values.py [--seeds 20] [--only 784-128-1] [--float32]`.

One query returns one number. Two kinds of weights, as in bench/queries.py. A row names the worst seed:
queries (also as a power of two), max|theta - theta^| in canonical form, max|f - f^| on 2,000 standard normal
points relative to the range of f; and the median of the seconds. A seed counts as exact when the
reconstruction says that it is complete and every unit is there.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time

import numpy as np

import divulge
from queries import network

SIZES = ("784-32-1", "784-128-1")


def run(
    sizes: tuple[int, int, int], seed: int, start: str, single: bool
) -> tuple[int, float, float, float, bool]:
    """Return queries, parameter error, relative output error, seconds, and whether every unit was found."""
    module = network(*sizes, seed, start)
    victim = divulge.Victim(module.float() if single else module, input_shape=(sizes[0],))
    oracle = divulge.ValueOracle(victim)
    began = time.perf_counter()
    result = divulge.reconstruct(oracle, seed=seed)
    seconds = time.perf_counter() - began
    points = np.random.default_rng(12345).standard_normal((2000, sizes[0]))
    found = divulge.compare(result, victim, points)
    exact = result.complete and result.hidden_units == sizes[1]
    parameters = math.inf if found.max_parameter_error is None else found.max_parameter_error
    return result.queries, parameters, found.max_output_error / found.output_range, seconds, exact


def main() -> None:
    """Print one line for every size and kind of weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", choices=SIZES)
    parser.add_argument("--float32", action="store_true")
    options = parser.parse_args()
    print(f"{'network':>10} {'weights':>8} {'exact':>7} {'queries':>16} {'theta':>8} {'f':>8} {'s':>6}")
    for name in SIZES if options.only is None else (options.only,):
        sizes = tuple(map(int, name.split("-")))
        for start in ("normal", "pytorch"):
            rows = [run(sizes, seed, start, options.float32) for seed in range(options.seeds)]
            queries = max(row[0] for row in rows)
            print(
                f"{name:>10} {start:>8} {sum(row[4] for row in rows):>3}/{len(rows):<3}",
                f"{queries:>7} = 2^{math.log2(queries):.2f} {max(row[1] for row in rows):>8.1e}",
                f"{max(row[2] for row in rows):>8.1e} {statistics.median(row[3] for row in rows):>6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
