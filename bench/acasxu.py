"""How far ACAS Xu networks come apart: `python bench/acasxu.py [--files ACASXU_1_1.onnx ...] [--all]`.

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
    """Print the hidden layers that were found and what each search ended with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", nargs="*", default=["ACASXU_1_1.onnx"])
    parser.add_argument("--all", action="store_true", help="every file of the folder")
    parser.add_argument("--budget", type=int, default=200_000)
    options = parser.parse_args()
    folder = Path(os.environ.get("DIVULGE_DATA", "."), "models", "acasxu")
    paths = sorted(folder.glob("*.onnx")) if options.all else [folder / name for name in options.files]
    for path in paths:
        rebuild(path, options.budget)


def rebuild(path: Path, budget: int) -> None:
    """Rebuild one network, compare layer by layer and print."""
    read = divulge.Victim.from_onnx(path)
    victim = divulge.Victim(read.module.double(), input_shape=read.input_shape)
    began = time.perf_counter()
    result = divulge.reconstruct(divulge.GradientOracle(victim, budget=budget), seed=0)
    seconds = time.perf_counter() - began
    print(f"{path.name}: {result.queries:,} queries, {seconds:.1f} s, complete: {result.complete}")
    for number, layer in enumerate(divulge.compare(result, victim).layers, 1):
        worst = "-" if layer.max_row_error is None else f"{layer.max_row_error:.0e}"
        print(
            f"  hidden layer {number}: {layer.units_matched} of {layer.units_true} units, "
            f"{layer.units_found} found, worst row error {worst}",
            flush=True,
        )
    for note in result.notes:
        print(f"  {note}")


if __name__ == "__main__":
    main()
