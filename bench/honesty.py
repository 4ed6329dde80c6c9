"""Is `complete` ever wrong? `python bench/honesty.py [--each 300] [--families NAME ...] [--rows FILE]`.

Every family of `honesty_families.py` draws so many victims; each is rebuilt and compared with the victim
itself on 4,000 normal inputs, on as many ten and 100 times as far out, or uniform ones of its box. "Wrong"
is an error above 1e-6 of the range of f (1e-3 in float32), in any output. Prints for each family how many
were called complete, how many of these were wrong, how many with a small certificate, and what was asked;
every wrong one with its seed. `--rows` appends a JSON line for each victim.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from time import process_time

import numpy as np
import torch

import divulge
from honesty_case import Case
from honesty_families import FAMILIES

POINTS, FAR = 4_000, (10.0, 100.0)
SMALL = 1e-8  # of a certificate
CONSTANT, TINY = 1e-9, 1e-300  # of a function's size: a smaller range is that of a constant one
WRONG = {torch.float64: 1e-6, torch.float32: 1e-3}


@dataclass
class Row:
    """What became of one victim."""

    family: str
    seed: int
    complete: bool
    wrong: bool
    certificate: float
    error: float
    queries: int
    units: int
    seconds: float
    refused: str = ""


def attacked(name: str, seed: int) -> Row:
    """Rebuild one victim and compare."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    case = FAMILIES[name](np.random.default_rng([sum(map(ord, name)), seed]))
    begun = process_time()
    try:
        oracle = case.oracle()
        result = (
            divulge.reconstruct_many([oracle], seed=seed)[0]
            if case.asks == "batch"
            else divulge.reconstruct(oracle, seed=seed)
        )
    except Exception as refused:
        seconds = process_time() - begun
        return Row(name, seed, False, False, np.inf, np.inf, 0, 0, seconds, repr(refused)[:300])
    seconds = process_time() - begun
    error = largest_error(case, result.module, np.random.default_rng([9, seed]))
    wrong = not error <= WRONG[next(case.module.parameters()).dtype]
    found = result.certificate.error, error, result.queries, result.hidden_units
    return Row(name, seed, result.complete, wrong, *found, seconds)


def largest_error(case: Case, copy: torch.nn.Module, rng: np.random.Generator) -> float:
    """Return the largest error of any output over the range of that output's values."""
    dtype = next(case.module.parameters()).dtype
    worst = 0.0
    for points in inputs(case, rng):
        with torch.no_grad():
            rounded = torch.from_numpy(points).to(dtype)
            truth = case.module.double()(rounded.double()).numpy()
            found = copy.double()(rounded.double()).numpy()
        case.module.to(dtype), copy.to(dtype)
        wrong = found - truth
        if case.asks == "gradients alone":
            wrong = wrong - wrong[:1]  # output biases are not told
        if case.asks == "probabilities":
            wrong = wrong - wrong[:, :1]  # nor what softmax hides
        scale = np.maximum(np.ptp(truth, axis=0), CONSTANT * np.abs(truth).max(axis=0) + TINY)
        worst = max(worst, float((np.abs(wrong).max(axis=0) / scale).max()))
    return worst


def inputs(case: Case, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the inputs to compare at."""
    if case.box is not None:
        yield rng.uniform(*case.box, size=(POINTS, case.inputs))
        return
    for scale in (1.0,) if case.asks == "probabilities" else (1.0, *FAR):
        yield scale * rng.standard_normal((POINTS, case.inputs))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=300, help="victims of each family")
    parser.add_argument("--seed", type=int, default=0, help="of the first victim")
    parser.add_argument("--families", nargs="*", default=list(FAMILIES))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rows", help="file that gets a JSON line for each victim")
    options = parser.parse_args()
    print(
        f"{'family':<34}{'victims':>8}{'complete':>9}{'wrong':>6}{'small':>7}{'wrong':>6}{'refused':>8}"
        f"{'queries':>9}{'a unit':>7}{'s':>7}"
    )
    every: list[Row] = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in options.families:
            seeds = range(options.seed, options.seed + options.each)
            rows = list(pool.map(partial(attacked, name), seeds, chunksize=4))
            say(name, rows)
            every += rows
            if options.rows:
                with open(options.rows, "a", encoding="utf-8") as file:
                    file.writelines(json.dumps(asdict(row)) + "\n" for row in rows)
    say("all", every)
    for row in every:
        if row.complete and row.wrong:
            said = f"off by {row.error:.1e}, certificate {row.certificate:.1e}"
            print(f"wrong: {row.family!r} seed {row.seed}, {said}")


def say(name: str, rows: list[Row]) -> None:
    """Print one line of the table."""
    complete, small = [r for r in rows if r.complete], [r for r in rows if r.certificate < SMALL]
    each = [r.queries / r.units for r in complete if r.units]
    print(
        f"{name:<34}{len(rows):>8}{len(complete):>9}{sum(r.wrong for r in complete):>6}{len(small):>7}"
        f"{sum(r.wrong for r in small):>6}{sum(bool(r.refused) for r in rows):>8}"
        f"{np.median([r.queries for r in rows]):>9.0f}{np.median(each) if each else np.nan:>7.1f}"
        f"{sum(r.seconds for r in rows):>7.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
