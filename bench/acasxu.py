"""How far an ACAS Xu network comes apart: `python bench/acasxu.py [--file ACASXU_1_1.onnx]`.

Five inputs, six hidden layers of 50 units; float32 weights, run in float64. The files are those of the
VNN-COMP 2021 benchmark set, looked for in $DIVULGE_DATA/models/acasxu.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import divulge


def main() -> None:
    """Print the hidden layers that were found and what the search ended with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", default="ACASXU_1_1.onnx")
    parser.add_argument("--budget", type=int, default=200_000)
    options = parser.parse_args()
    path = Path(os.environ.get("DIVULGE_DATA", "."), "models", "acasxu", options.file)
    read = divulge.Victim.from_onnx(path)
    victim = divulge.Victim(read.module.double(), input_shape=read.input_shape)
    began = time.perf_counter()
    result = divulge.reconstruct(divulge.GradientOracle(victim, budget=options.budget), seed=0)
    seconds = time.perf_counter() - began
    compared = divulge.compare(result, victim)
    for number, layer in enumerate(compared.layers, 1):
        print(
            f"hidden layer {number}: {layer.units_matched} of {layer.units_true} units, "
            f"worst row error {layer.max_row_error}"
        )
    print(f"{result.queries:,} queries, {seconds:.1f} s, complete: {result.complete}")
    for note in result.notes:
        print(note)


if __name__ == "__main__":
    main()
