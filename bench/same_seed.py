"""Does a change keep every result? `python bench/same_seed.py FILE [--seeds 10]`, before it and after it.

Victims of many shapes are asked in many ways. The first call writes what came out to FILE, a later one
compares with it: queries, hidden sizes, certificate, notes and every parameter of the copy, bit for bit. BLAS
must run on as many threads both times; set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import divulge

Make = Callable[[divulge.Victim], divulge.Oracle]
BUDGET = 8000  # of a query; what this cuts short is compared, too

ASKED: dict[str, Make] = {
    "gradient": lambda v: divulge.GradientOracle(v, budget=BUDGET),
    "gradient alone": lambda v: divulge.GradientOracle(v, values=False, budget=BUDGET),
    "gradient in a box": lambda v: divulge.GradientOracle(v, domain=(-1, 1), budget=BUDGET),
    "gradient cut short": lambda v: divulge.GradientOracle(v, budget=30),
    "gradient rounded": lambda v: divulge.Rounded(divulge.GradientOracle(v, budget=BUDGET), decimals=7),
    "gradient drowned": lambda v: divulge.Noisy(divulge.GradientOracle(v, budget=BUDGET), 1e-3),
    "jacobian": lambda v: divulge.JacobianOracle(v, budget=BUDGET),
    "value": lambda v: divulge.ValueOracle(v, budget=4 * BUDGET),
    "probability": lambda v: divulge.ProbabilityOracle(v, budget=4 * BUDGET),
    "callable": lambda v: divulge.CallableOracle(
        divulge.GradientOracle(v).query, input_size=v.input_size, output_size=v.output_size, budget=BUDGET
    ),
}

# sizes, in which precision, asked how
SHAPES: list[tuple[tuple[int, ...], str, tuple[str, ...]]] = [
    ((20, 16, 1), "float64", ("gradient", "gradient alone", "value", "gradient cut short")),
    ((30, 8, 3), "float64", ("gradient", "jacobian", "probability", "callable")),
    ((6, 12, 1), "float64", ("gradient", "value")),
    ((40, 20, 2), "float32", ("gradient", "gradient alone")),
    ((12, 10, 2), "float64", ("gradient in a box", "gradient rounded", "gradient drowned")),
    ((60, 24, 2), "float64", ("gradient rounded",)),
    ((10, 10, 10, 1), "float64", ("gradient", "value", "gradient cut short")),
    ((16, 8, 5, 3), "float64", ("gradient", "jacobian")),
    ((10, 14, 8, 1), "float64", ("gradient",)),
    ((20, 12, 8, 6, 1), "float64", ("gradient",)),
    ((12, 8, 6, 3), "float32", ("gradient",)),
    ((8, 0, 2), "float64", ("gradient", "value")),
    ((8, 6, 4, 3), "float64", ("probability",)),
]


def network(sizes: tuple[int, ...], dtype: torch.dtype, seed: int) -> nn.Sequential:
    """Normal weights, rows of about length 1, biases of about a half."""
    rng = np.random.default_rng(seed)
    modules: list[nn.Module] = []
    for inputs, outputs in pairwise(size for size in sizes if size):
        modules += [nn.Linear(inputs, outputs), nn.ReLU()]
    module = nn.Sequential(*modules[:-1]).to(dtype)
    with torch.no_grad():
        for parameter in module.parameters():
            scale = parameter.shape[1] ** -0.5 if parameter.ndim > 1 else 0.5
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape) * scale))
    return module


def digest(module: nn.Module) -> str:
    """Return a hash of every parameter's bits."""
    bits = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        bits.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        bits.update(tensor.contiguous().numpy().tobytes())
    return bits.hexdigest()


def outcome(victim: divulge.Victim, make: Make, seed: int) -> dict[str, Any]:
    """Return what one reconstruction came to, or the error it ended with."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = divulge.reconstruct(make(victim), seed=seed)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {
        "queries": result.queries,
        "hidden": list(result.hidden_sizes),
        "by layer": list(result.queries_by_layer),
        "certificate": repr(float(result.certificate.error)),
        "complete": result.complete,
        "notes": [str(note) for note in result.notes],
        "parameters": digest(result.module),
    }


def runs(seeds: int) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Yield a name and a function for every run."""
    for sizes, dtype, asked in SHAPES:
        for how in asked:
            for seed in range(seeds):
                name = f"{'-'.join(map(str, sizes))} {dtype} {how} {seed}"

                def run(
                    sizes: tuple[int, ...] = sizes, dtype: str = dtype, how: str = how, seed: int = seed
                ) -> dict[str, Any]:
                    module = network(sizes, getattr(torch, dtype), seed)
                    return outcome(divulge.Victim(module, (sizes[0],)), ASKED[how], seed)

                yield name, run
    small = [divulge.Victim(network((9, 5, 1), torch.float64, seed), (9,)) for seed in range(seeds)]
    yield "many", lambda: {str(k): digest(r.module) for k, r in enumerate(divulge.reconstruct_many(small))}


def main() -> None:
    """Write the record, or compare with the one there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    before = json.loads(options.file.read_text()) if options.file.exists() else None
    record, differing = {}, 0
    for name, run in runs(options.seeds):
        record[name] = run()
        if before is not None and before.get(name) != record[name]:
            differing += 1
            print(f"{name}\n  was {before.get(name)}\n  is  {record[name]}", flush=True)
    if before is None:
        options.file.write_text(json.dumps(record, indent=1))
        print(f"{len(record)} runs written to {options.file}")
    else:
        print(f"{len(record)} runs, {differing} differ")
        raise SystemExit(differing > 0)


if __name__ == "__main__":
    main()
