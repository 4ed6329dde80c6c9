"""A sweep against the batched native call: `python bench/sweep.py [--runs 1000]`.

Random victims 20-16-1 from gradients, by `divulge.sweep` and by one `reconstruct_many` of the same victims.
Both rebuild every unit; asserted before the ratio is printed, the median of several rounds taken by turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

import divulge
from divulge.sweep import sweep
from divulge.training import mlp

EXPERIMENT = """\
seeds = {runs}
engine = "{engine}"
workers = {workers}
[grid]
inputs = 20
hidden = 16
"""


def batched(runs: int) -> float:
    """Return the seconds of one batched call, victims included."""
    began = time.perf_counter()
    victims = [
        divulge.Victim(mlp((20,), [16], 1, seed=seed, dtype=torch.float64), (20,)) for seed in range(runs)
    ]
    results = divulge.reconstruct_many(victims)
    seconds = time.perf_counter() - began
    assert sum(result.hidden_units == 16 for result in results) >= 0.99 * runs
    return seconds


def swept(runs: int, engine: str, workers: int) -> float:
    """Return the seconds of a sweep."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "experiment.toml")
        path.write_text(EXPERIMENT.format(runs=runs, engine=engine, workers=workers))
        began = time.perf_counter()
        result = sweep(path)
        seconds = time.perf_counter() - began
    assert (result.table["hidden_units"] == 16).mean() >= 0.99
    return seconds


def main() -> None:
    """Print both, and the sweep's share of the batched call's throughput."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    batched(20)
    for engine, workers in (("threads", 1), ("threads", 2), ("processes", 2)):
        swept(2 * workers, engine, workers)  # starts the workers
        pairs = [(swept(options.runs, engine, workers), batched(options.runs)) for _ in range(options.rounds)]
        sweeping, at_once = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
        share = statistics.median(once / sweeping for sweeping, once in pairs)
        print(
            f"{engine}, {workers}: sweep {sweeping:.2f} s, batched call {at_once:.2f} s, "
            f"throughput {share:.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
