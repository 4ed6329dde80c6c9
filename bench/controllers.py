"""Wide controllers: `python bench/controllers.py [--only 8-64-64-4] [--seeds 5] [--random]`.

A controller imitates a saturated linear-quadratic regulator of a random plant: Adam on standardised states
and actions, as such networks are trained. `--random` leaves PyTorch's start untrained. Float64, gradients of
one output a query. Every copy is compared with the victim at 4,000 points of three scales.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from scipy.linalg import solve_discrete_are
from torch import nn

import divulge

SIZES = ("14-32-32-14", "8-32-32-1", "8-64-64-4", "3-32-32-3", "4-64-64-2", "5-64-64-64-5", "8-256-256-8")
SCALES = (0.3, 1.0, 3.0)


def network(sizes: list[int], seed: int) -> nn.Sequential:
    """Return a dense network as PyTorch starts it."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, dtype=torch.float64), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def regulator(states: int, actions: int, rng: np.random.Generator) -> np.ndarray:
    """Return the gain K, shape (actions, states), of a random plant x' = A x + B u."""
    plant = rng.standard_normal((states, states))
    plant *= 1.1 / np.abs(np.linalg.eigvals(plant)).max()
    drive = rng.standard_normal((states, actions)) / np.sqrt(states)
    cost = solve_discrete_are(plant, drive, np.eye(states), np.eye(actions))
    return np.asarray(np.linalg.solve(np.eye(actions) + drive.T @ cost @ drive, drive.T @ cost @ plant))


def trained(sizes: list[int], seed: int, steps: int = 3000) -> nn.Sequential:
    """Return a network that imitates a saturated regulator."""
    rng = np.random.default_rng(seed)
    gain = torch.from_numpy(regulator(sizes[0], sizes[-1], rng))
    module = network(sizes, seed)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    for _ in range(steps):
        states = torch.from_numpy(rng.standard_normal((128, sizes[0])))
        actions = torch.clamp(-states @ gain.T, -1.0, 1.0)
        optimizer.zero_grad()
        nn.functional.mse_loss(module(states), actions).backward()
        optimizer.step()
    return module


def main() -> None:
    """Print one line for every network and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=SIZES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--random", action="store_true", help="untrained")
    parser.add_argument("--budget", type=int, default=300_000)
    options = parser.parse_args()
    print(f"{'network':>14} {'seed':>4} {'hidden':>16} {'queries':>8} {'certif.':>8} {'error':>8} complete s")
    for name in options.only:
        sizes = [int(size) for size in name.split("-")]
        for seed in range(options.first, options.first + options.seeds):
            module = network(sizes, seed) if options.random else trained(sizes, seed)
            line(name, module, seed, options.budget)


def line(name: str, module: nn.Sequential, seed: int, budget: int) -> None:
    """Rebuild one victim, compare and print."""
    victim = divulge.Victim(module, input_shape=(module[0].in_features,))
    result, seconds, error = rebuilt(victim, seed, budget, SCALES)
    hidden = "-".join(map(str, result.hidden_sizes))
    print(
        f"{name:>14} {seed:>4} {hidden:>16} {result.queries:>8} {result.certificate.error:>8.0e} "
        f"{error:>8.0e} "
        f"{'yes' if result.complete else 'no':>8} {seconds:.0f}",
        flush=True,
    )
    for note in () if result.complete else result.notes:
        print(f"{'':>20}{note.sentence}", flush=True)


def rebuilt(
    victim: divulge.Victim, seed: int, budget: int, scales: Sequence[float]
) -> tuple[divulge.Reconstruction, float, float]:
    """Rebuild one victim; return the result, seconds, and the largest error of its range at any scale."""
    began = time.perf_counter()
    result = divulge.reconstruct(divulge.GradientOracle(victim, budget=budget), seed=seed)
    seconds = time.perf_counter() - began
    rng, error = np.random.default_rng(12345), 0.0
    for scale in scales:
        points = scale * rng.standard_normal((4000, victim.input_size))
        with torch.no_grad():
            truth, copy = victim.values(points), result.module(torch.from_numpy(points)).numpy()
        error = max(error, float((np.abs(copy - truth).max(axis=0) / np.ptp(truth, axis=0)).max()))
    return result, seconds, error


if __name__ == "__main__":
    main()
