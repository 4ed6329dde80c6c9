"""Networks written into bits, and bits that explanations tell.

python bench/bits.py lenet [--bytes 3000] [--steps 20000]   # LeNet-5 on MNIST: bytes and test error
python bench/bits.py told [--seeds 3] [--plot docs/bits.png]
    # digits: bits told, by explanation and queries
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from divulge import GradientOracle, LabelOracle, ProbabilityOracle, Victim, steal
from divulge.bits import code_length, decode, encode, quantised_length
from divulge.datasets import digits, mnist
from divulge.plots import save_plot
from divulge.surrogate.figures import plot_leaked
from divulge.training import accuracy, fit_classifier, mlp, train_classifier

# Explanations whose bits are told, on a network of 64, 32 and 10 units.
KINDS = {"label": LabelOracle, "probability": ProbabilityOracle, "gradient": GradientOracle}
BUDGETS = (20, 50, 100, 200, 500)
AGREEMENT = 0.95


def lenet() -> nn.Sequential:
    """LeNet-5 with ReLU and maxima: 61,706 weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def code_lenet(size: int, steps: int) -> None:
    """Print the bytes and the test error of LeNet-5 before and after coding."""
    data = mnist()
    module = fit_classifier(lenet(), data.train_inputs, data.train_targets, epochs=12, batch_size=128)
    began = time.perf_counter()
    code = encode(module, data, bits=8 * size, steps=steps)
    seconds = time.perf_counter() - began
    decoded = decode(code)
    errors = [100 * (1 - accuracy(part, data.test_inputs, data.test_targets)) for part in (module, decoded)]
    again = decode(code)
    assert all(torch.equal(a, b) for a, b in zip(decoded.parameters(), again.parameters(), strict=True))
    print(f"{code.bits // 8} bytes for {code.count} weights, {seconds:.0f} s")
    print(f"test error {errors[1]:.2f}%, {errors[0]:.2f}% before")


def tell(seeds: int) -> pd.DataFrame:
    """Print what copies tell, a row for each explanation and number of queries: medians over seeds."""
    data = digits()
    victim = Victim(train_classifier([32], data, dtype=torch.float32), data.input_shape)
    rows = []
    for seed in range(seeds):
        form = mlp(data.input_shape, [32], 10, seed=100 + seed)
        for kind, oracle in KINDS.items():
            stolen = steal(
                oracle(victim), form, queries=BUDGETS, data=data, steps=600, bits=AGREEMENT, seed=seed
            )
            rows.append(stolen.to_frame().assign(explanation=kind, seed=seed))
    table = pd.concat(rows)
    table["share"] = 100 * table["bits_told"] / table["bits_held"]
    alone = quantised_length(victim.module, data, agreement=AGREEMENT)
    fresh = code_length(victim, data, form=form, agreement=AGREEMENT, steps=3000)
    print(f"bits held: {np.median(table['bits_held']):.0f} (1,500 steps), {fresh.bits:.0f} (3,000 steps)")
    print(f"rounded to a grid and coded: {alone.bits:.0f}")
    print("share of the bits held that copies tell, %: median (least to largest)")
    for (kind, queries), group in table.groupby(["explanation", "queries"], sort=False):
        share, agreed = group["share"], group["agreement"]
        print(
            f"| {kind} | {queries} | {share.median():.0f} ({share.min():.0f} to {share.max():.0f}) "
            f"| {100 * agreed.median():.1f} |"
        )
    return table


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["lenet", "told"])
    parser.add_argument("--bytes", type=int, default=3000)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    if options.what == "lenet":
        code_lenet(options.bytes, options.steps)
    else:
        table = tell(options.seeds)
        if options.plot:
            curves = dict(iter(table.groupby("explanation", sort=False)))
            save_plot(plot_leaked(curves, "What has leaked"), options.plot)


if __name__ == "__main__":
    main()
