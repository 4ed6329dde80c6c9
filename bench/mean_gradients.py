"""Networks rebuilt from integrated gradients and SmoothGrad: `python bench/mean_gradients.py [--seeds 5]`.

Random networks in float64, whose explanations `reconstruct` is given as any other oracle. Prints queries and
the largest difference of outputs on standard normal inputs, medians over the seeds with their ranges.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch

from divulge import Victim, reconstruct
from divulge.oracles import (
    ExactIntegratedGradientsOracle,
    IntegratedGradientsOracle,
    Oracle,
    SmoothGradOracle,
)
from divulge.training import mlp
from leak_tables import spread

CASES: dict[str, tuple[tuple[int, ...], Callable[[Victim], Oracle]]] = {
    "integrated gradients, 10 steps": ((784, 8, 1), lambda v: IntegratedGradientsOracle(v, steps=10)),
    "integrated gradients, 20 steps": ((784, 32, 1), lambda v: IntegratedGradientsOracle(v, steps=20)),
    "20 steps, said to be 50": ((784, 32, 1), lambda v: told_wrongly(v)),
    "integrated gradients, 50 steps": ((784, 32, 10), lambda v: IntegratedGradientsOracle(v, steps=50)),
    "exact integrated gradients": ((784, 32, 1), ExactIntegratedGradientsOracle),
    "exact integrated gradients, 128": ((784, 128, 10), ExactIntegratedGradientsOracle),
    "SmoothGrad with fresh noise, values": ((784, 32, 1), SmoothGradOracle),
    "SmoothGrad with fresh noise, values, 128": ((784, 128, 1), SmoothGradOracle),
    "SmoothGrad, then values in 8 combinations": ((40, 8, 5, 1), SmoothGradOracle),
}


def told_wrongly(victim: Victim) -> Oracle:
    """Return an oracle of 20 steps that says it takes 50."""
    oracle = IntegratedGradientsOracle(victim, steps=20)
    said = IntegratedGradientsOracle(victim, steps=50).attribution
    real, oracle.attribution = oracle.attribution, said
    oracle._attribute = lambda points, outputs: real.combine(  # type: ignore[method-assign]
        points, oracle._gradients_at(real.places(points, None), outputs)
    )
    return oracle


def main() -> None:
    """Print a row for each network and explanation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cases", default=";".join(CASES), help="separated by ;")
    options = parser.parse_args()
    print(
        "| network | explanation | complete | queries | outputs differ by |\n| --- | --- | --- | --- | --- |"
    )
    for name in options.cases.split(";"):
        sizes, make = CASES[name]
        complete, queries, errors = 0, [], []
        for seed in range(options.seeds):
            net = mlp(sizes[:1], list(sizes[1:-1]), sizes[-1], seed=seed, dtype=torch.float64)
            result = reconstruct(make(Victim(net)), seed=seed)
            x = torch.randn(
                1000, sizes[0], dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
            )
            with torch.no_grad():
                errors.append(float((result.module(x) - net(x)).abs().max()))
            complete += result.complete
            queries.append(result.queries)
        told = f"{complete} of {options.seeds} | {spread(queries, ',.0f')} | {spread(errors, '.0e')}"
        print(f"| {'-'.join(map(str, sizes))} | {name} | {told} |", flush=True)


if __name__ == "__main__":
    main()
