"""How far published networks come apart: `python bench/published.py FOLDER [--budget 100000]`.

Every ONNX file under the folder is read, taken apart from gradients of one output, and compared with its
copy. One line a file: whether it loads and is lowered to the native network, the units found of the true
ones layer by layer (of a convolution its filters; a star where each of them agrees, a question mark where
the file's other layers are not compared), the queries, the numbers told for each of its parameters, the
certificate, the largest error of an output relative to its range on standard normal inputs and on inputs ten
times as large, the share of the normal ones that both name alike, and the seconds. Weights are float32 as a
rule; they are run in float64 unless --dtype asks otherwise.
"""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import divulge

_POINTS = 2_000
_SAME_FILTER = 1e-3
_HEADINGS = (
    "file",
    "inputs",
    "lowered",
    "units found of true",
    "queries",
    "numbers / parameters",
    "complete",
    "certificate",
    "normal",
    "ten times",
    "agree",
    "s",
)


def read(path: Path, dtype: torch.dtype) -> divulge.Victim:
    """Return the file's network in the precision asked for."""
    victim = divulge.Victim.from_onnx(path)
    return divulge.Victim(victim.module.to(dtype), input_shape=victim.input_shape)


def attack(victim: divulge.Victim, options: argparse.Namespace) -> divulge.Reconstruction:
    """Take a victim apart; an image's shape is public, so that convolutions can be looked for."""
    shape = victim.input_shape if len(victim.input_shape) == 3 and min(victim.input_shape[1:]) > 1 else None
    oracle = divulge.GradientOracle(victim, output=options.output, budget=options.budget)
    # An alarm comes as Ctrl-C does, upon which the search returns what it has.
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(options.seconds)
    try:
        return divulge.reconstruct(oracle, seed=options.seed, input_shape=shape)
    finally:
        signal.alarm(0)


def error_at(result: divulge.Reconstruction, victim: divulge.Victim, scale: float) -> tuple[float, float]:
    """Return max|f - f^| over the range of f at points of one scale, and the share of equal classes."""
    points = scale * np.random.default_rng(0).standard_normal((_POINTS, victim.input_size))
    compared = divulge.compare(result, victim, points)
    return compared.max_output_error / (compared.output_range or 1.0), compared.agreement


def layers_of(compared: divulge.Comparison) -> str:
    """Say how many of each layer's units were found, of how many, where there are such layers."""
    sizes = compared.hidden_sizes_true
    if not sizes and not compared.layers:
        return "no layers that can be compared"
    found = [filters_of(compared, k) or units_of(layer) for k, layer in enumerate(compared.layers, 1)]
    whole = all(layer.units_matched == layer.units_true for layer in compared.layers)
    if sizes is None:
        return " ".join([*found, "?"])
    found += [f"0/{size}" for size in sizes[len(found) :]]
    return " ".join(found) + ("*" if whole and len(compared.layers) == len(sizes) else "")


def units_of(layer: divulge.LayerComparison) -> str:
    """Say how many of a layer's units were found."""
    return f"{layer.units_matched}/{layer.units_true}"


def filters_of(compared: divulge.Comparison, layer: int) -> str:
    """Say how many filters of a convolution were found, nothing of a dense layer."""
    errors = [each.filter_error for each in compared.filters if each.layer == layer]
    found = sum(error is not None and error < _SAME_FILTER for error in errors)
    return f"{found}/{len(errors)} filters" if errors else ""


def row(name: str, victim: divulge.Victim, options: argparse.Namespace) -> list[Any]:
    """Return one file's figures."""
    began = time.perf_counter()
    result = attack(victim, options)
    seconds = time.perf_counter() - began
    held = (*victim.module.parameters(), *victim.module.buffers())
    parameters = sum(part.numel() for part in held if part.is_floating_point()) or 1
    (normal, agreement), (far, _) = error_at(result, victim, 1.0), error_at(result, victim, 10.0)
    return [
        name,
        "x".join(map(str, victim.input_shape)),
        "yes" if victim.lowered else "no",
        layers_of(divulge.compare(result, victim)),
        f"{result.queries:,}",
        f"{result.numbers_told / parameters:.1f}",
        "yes" if result.complete else "no",
        "none" if result.certificate is None else f"{result.certificate.error:.0e}",
        f"{normal:.0e}",
        f"{far:.0e}",
        f"{agreement:.4f}",
        f"{seconds:.1f}",
    ]


def main() -> None:
    """Print one row of the table for every file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="searched for *.onnx, folders in it too")
    parser.add_argument("--budget", type=int, default=100_000, help="queries a file")
    parser.add_argument("--seconds", type=int, default=600, help="after which a file's search is interrupted")
    parser.add_argument("--output", type=int, default=0, help="the output whose gradients are asked")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--notes", action="store_true", help="print what each search says of its end")
    options = parser.parse_args()
    files = sorted(options.folder.rglob("*.onnx")) if options.folder.is_dir() else [options.folder]
    if not files:
        parser.error(f"no *.onnx under {options.folder}")
    print("| " + " | ".join(_HEADINGS) + " |\n|" + " --- |" * len(_HEADINGS))
    for path in files:
        name = path.stem
        try:
            victim = read(path, getattr(torch, options.dtype))
            print("| " + " | ".join(map(str, row(name, victim, options))) + " |", flush=True)
        except divulge.DivulgeError as error:  # one file that cannot be had does not end the table
            print(f"| {name} | {type(error).__name__}: {error} |", flush=True)


if __name__ == "__main__":
    main()
