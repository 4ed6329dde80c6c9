"""Are certificates honest? `python bench/certificates.py [--networks 300] [--seed 100]`.

Random networks with two or three hidden layers, one in four with more units than inputs in the first, are
rebuilt from gradients. A certificate below 1e-8 over an error above 1e-6 of the range of f on 2,000 fresh
points is an exception. Prints how many networks were asked, how many certificates were small, and every
exception.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

import divulge
from deep import victim_of

SMALL, WRONG = 1e-8, 1e-6


def random_sizes(seed: int) -> list[int]:
    """Sizes of one network's layers."""
    rng = np.random.default_rng(seed)
    inputs = int(rng.integers(8, 24))
    widths = sorted((int(x) for x in rng.integers(4, inputs, rng.integers(2, 4))), reverse=True)
    if seed % 4 == 0:
        widths[0] = inputs + int(rng.integers(1, inputs))
    return [inputs, *widths, 1]


def main() -> None:
    """Count the exceptions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=300)
    parser.add_argument("--seed", type=int, default=100, help="of the first network")
    options = parser.parse_args()
    small = complete = 0
    exceptions = []
    for seed in range(options.seed, options.seed + options.networks):
        sizes = random_sizes(seed)
        victim = victim_of(sizes, seed)
        result = divulge.reconstruct(divulge.GradientOracle(victim, budget=12_000), seed=seed)
        points = np.random.default_rng(9).standard_normal((2000, sizes[0]))
        with torch.no_grad():
            wrong = result.module(torch.from_numpy(points)).numpy() - victim.values(points)
        error = float(np.abs(wrong).max() / np.ptp(victim.values(points)))
        small += result.certificate < SMALL
        complete += result.complete
        if result.certificate < SMALL and not error < WRONG:
            exceptions.append((seed, sizes, result.certificate, error))
    print(f"{options.networks} networks, {small} certificates below {SMALL:g}, {complete} complete")
    print(f"{len(exceptions)} exceptions {exceptions or ''}")


if __name__ == "__main__":
    main()
