"""Exact reconstruction of defended victims: `python bench/defences.py [--seeds 5] [--only "3 decimals"]`.

A random float64 victim 784-128-1 with normal weights (rows of length about 1, output weights of about 0.09)
whose answers, value and every number of the gradient, are rounded or have normal noise added. A unit counts
as found when a row of the copy lies within 8 degrees of its own; units that are in the copy and not in the
victim are counted as false. The error is max|f - f^| on 500 standard normal points,
relative to the range of f.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from torch import nn

import divulge
from queries import network

LINES: dict[str, Callable[[divulge.Oracle], divulge.Oracle]] = {
    "6 decimals": lambda oracle: divulge.Rounded(oracle, decimals=6),
    "4 decimals": lambda oracle: divulge.Rounded(oracle, decimals=4),
    "3 decimals": lambda oracle: divulge.Rounded(oracle, decimals=3),
    "noise 1e-6": lambda oracle: divulge.Noisy(oracle, 1e-6),
    "noise 1e-4": lambda oracle: divulge.Noisy(oracle, 1e-4),
    "noise 1e-3": lambda oracle: divulge.Noisy(oracle, 1e-3),
    "noise 1e-3 fixed": lambda oracle: divulge.Noisy(oracle, 1e-3, fixed_per_input=True),
}


def matched(result: divulge.Reconstruction, victim: divulge.Victim) -> tuple[int, int]:
    """Return how many of the victim's units were found, and how many of the copy's are none of them."""
    hidden = next(part for part in result.module.modules() if isinstance(part, nn.Linear))
    assert victim.layers is not None
    mine, rows = hidden.weight.detach().numpy(), victim.layers.weights[0]
    mine = mine / np.linalg.norm(mine, axis=1, keepdims=True)
    cosine = np.abs(mine @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T)
    return int((cosine.max(axis=0) > 0.99).sum()), int((cosine.max(axis=1) <= 0.99).sum())


def run(name: str, seed: int, start: str) -> tuple[int, int, int, float, bool, float]:
    """Return units found, false ones, queries, error, whether it says it is complete, and seconds."""
    victim = divulge.Victim(network(784, 128, 1, seed, start))
    oracle = LINES[name](divulge.GradientOracle(victim, budget=60_000))
    began = time.process_time()
    result = divulge.reconstruct(oracle, seed=seed)
    seconds = time.process_time() - began
    found, false = matched(result, victim)
    points = np.random.default_rng(12345).standard_normal((500, 784))
    off = divulge.compare(result, victim, points)
    return found, false, result.queries, off.max_output_error / off.output_range, result.complete, seconds


def main() -> None:
    """Print one line for every defence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", choices=LINES)
    parser.add_argument("--weights", choices=("normal", "pytorch"), default="normal")
    options = parser.parse_args()
    print(f"{'defence':>17} {'found of 128':>13} {'false':>6} {'queries':>13} {'error':>8} complete  CPU s")
    for name in LINES if options.only is None else (options.only,):
        rows = [run(name, seed, options.weights) for seed in range(options.seeds)]
        found, false, queries, error, complete, seconds = zip(*rows, strict=True)
        print(
            f"{name:>17} {min(found):>5} to {max(found):<4} {max(false):>6} {min(queries):>5} to "
            f"{max(queries):<5}{max(error):>8.0e} "
            f"{sum(complete):>4} of {len(rows)} {statistics.median(seconds):>6.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
