"""Deep random networks from gradients: `python bench/deep.py [--seeds 3] [--only 10-10-10-1] [--json]`.

Normal weights, rows of length about 1, biases of about a half, float64. Every copy is checked on 2,000
standard normal points before it is printed.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn

import divulge

SIZES = ("784-32-1", "784-128-1", "10-10-10-1", "10-20-20-1", "40-20-10-10-1", "80-40-20-1")


@dataclass
class Run:
    """One reconstruction, checked.

    Attributes:
        network: sizes of the victim's layers.
        seed: of the victim and of the attack.
        hidden: units of the copy's hidden layers.
        units, true_units: their sum, and the victim's.
        queries: gradients asked for.
        queries_per_unit: queries / true_units.
        error: max|f - f^| relative to the range of f.
        certificate, complete: as the result says.
        exact: hidden sizes right, and error below 1e-9.
        seconds: wall time.
    """

    network: str
    seed: int
    hidden: list[int]
    units: int
    true_units: int
    queries: int
    queries_per_unit: float
    error: float
    certificate: float
    complete: bool
    exact: bool
    seconds: float


def victim_of(sizes: list[int], seed: int) -> divulge.Victim:
    """Return one random victim in float64."""
    rng = np.random.default_rng(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, dtype=torch.float64), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for parameter in network.parameters():
            scale = parameter.shape[1] ** -0.5 if parameter.ndim > 1 else 0.5
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape) * scale))
    return divulge.Victim(network, input_shape=(sizes[0],))


def run(name: str, seed: int) -> Run:
    """Reconstruct one network and check the copy."""
    sizes = [int(size) for size in name.split("-")]
    victim = victim_of(sizes, seed)
    began = time.perf_counter()
    result = divulge.reconstruct(divulge.GradientOracle(victim), seed=seed)
    seconds = time.perf_counter() - began
    points = np.random.default_rng(12345).standard_normal((2000, sizes[0]))
    with torch.no_grad():
        wrong = result.module(torch.from_numpy(points)).numpy() - victim.values(points)
    error = float(np.abs(wrong).max() / np.ptp(victim.values(points)))
    hidden = [m.out_features for m in result.module.modules() if isinstance(m, nn.Linear)][:-1]
    true_units = sum(sizes[1:-1])
    return Run(
        network=name,
        seed=seed,
        hidden=hidden,
        units=result.hidden_units,
        true_units=true_units,
        queries=result.queries,
        queries_per_unit=result.queries / true_units,
        error=error,
        certificate=result.certificate.error,
        complete=result.complete,
        exact=hidden == sizes[1:-1] and error < 1e-9,
        seconds=seconds,
    )


def row(r: Run) -> str:
    """Return one line of the table."""
    found = f"{r.units}/{r.true_units}"
    said = "yes" if r.complete else "no"
    return (
        f"{r.network:>14} {r.seed:>4} {found:>8} {r.queries:>7} {r.queries_per_unit:>10.1f} "
        f"{r.error:>8.0e} {r.certificate:>8.0e} {said:>8} {'yes' if r.exact else 'no':>5} {r.seconds:>6.2f}"
    )


def main() -> None:
    """Print one line for every network and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=SIZES)
    parser.add_argument("--json", action="store_true", help="one JSON list instead of the table")
    options = parser.parse_args()
    names = SIZES if options.only is None else (options.only,)
    runs = []
    if not options.json:
        print(
            f"{'network':>14} {'seed':>4} {'units':>8} {'queries':>7} {'each unit':>10} "
            f"{'error':>8} {'certif.':>8} {'complete':>8} {'exact':>5} {'s':>6}"
        )
    for name in names:
        for seed in range(options.seeds):
            runs.append(run(name, seed))
            if not options.json:
                print(row(runs[-1]), flush=True)
    if options.json:
        print(json.dumps([asdict(r) for r in runs], indent=1))


if __name__ == "__main__":
    main()
