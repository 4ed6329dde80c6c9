"""The command that says how many bits a model holds, and writes it into so many."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from divulge.bits import code_length, decode, encode, quantised_length
from divulge.bits.encoded import form_bits
from divulge.cli import models
from divulge.cli.progress import ProgressDisplay
from divulge.cli.render import show
from divulge.datasets import Dataset, load


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    data: str
    target: str | None
    model: str
    agreement: float
    code: Path | None
    seed: int
    as_json: bool


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed, a model that cannot be used, or one that no budget tells.
        OSError: a file that is not there, or cannot be written.
    """
    start = time.perf_counter()
    with ProgressDisplay() as display:
        display.say(f"reading {options.data}")
        data = load(options.data, options.target, seed=options.seed)
        module = models.model(options.model, data, options.seed, display)
        report = _report(options, data, module, display)
        if options.code is not None:
            report |= _written(options, data, module, report["bits_held"], display)
    report["seconds"] = time.perf_counter() - start
    show(report, options.as_json, _print_table)
    return 0


def _report(options: Options, data: Dataset, module: nn.Module, display: ProgressDisplay) -> dict[str, Any]:
    """Return what there is to say, ready for JSON."""
    asked: dict[str, Any] = {"agreement": options.agreement}
    held = code_length(
        module, data, form=module, **asked, seed=options.seed,
        progress=display.steps("lowering the budget"),
    ).bits  # fmt: skip
    if math.isnan(held):
        raise ValueError(
            f"no budget tells a network that agrees on {options.agreement:.0%}: "
            "expected a smaller --agreement"
        )
    display.say("rounding to grids")
    rounded = quantised_length(module, data, **asked).bits
    weights = sum(parameter.numel() for parameter in module.parameters())
    return {
        "data": data.name,
        "model": options.model,
        "seed": options.seed,
        "agreement": options.agreement,
        "weights": weights,
        "bits_held": held,
        "bits_a_weight": held / weights,
        "bits_rounded": None if math.isnan(rounded) else rounded,
        "bits_stored": sum(8 * p.element_size() * p.numel() for p in module.parameters()),
    }


def _written(
    options: Options, data: Dataset, module: nn.Module, bits: float, display: ProgressDisplay
) -> dict[str, Any]:
    """Write the code into its file, and say how the network that is read from it agrees."""
    assert options.code is not None
    told = display.steps("writing the code")
    most = math.ceil(bits) + form_bits(module)
    encode(module, data, bits=most, seed=options.seed, progress=told).save(options.code)
    copy = decode(options.code, into=module)
    inputs = data.test_inputs.to(next(module.parameters()).dtype)
    with torch.no_grad():
        named, copied = _classes(module(inputs)), _classes(copy(inputs))
    return {
        "code": str(options.code),
        "code_bytes": options.code.stat().st_size,
        "code_agreement": float((named == copied).double().mean()),
    }


def _classes(outputs: torch.Tensor) -> torch.Tensor:
    return outputs.argmax(1) if outputs.ndim > 1 and outputs.shape[1] > 1 else outputs.reshape(-1) > 0


def _print_table(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(
        f"{report['model']} on {report['data']}: bits of a network that names the same class on "
        f"{report['agreement']:.0%} of test inputs",
        soft_wrap=True,
        markup=False,
    )
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("bits held", f"{report['bits_held']:,.0f}")
    table.add_row("bits a weight", f"{report['bits_a_weight']:.2f} of {report['weights']:,}")
    rounded = report["bits_rounded"]
    table.add_row("rounded to a grid and coded", "-" if rounded is None else f"{rounded:,.0f}")
    table.add_row("as it is stored", f"{report['bits_stored']:,}")
    if "code" in report:
        table.add_row("bytes of the code's file", f"{report['code_bytes']:,}")
        table.add_row("agreement of what is read from it", f"{report['code_agreement']:.2%}")
    console.print(table)
    console.print(f"{report['seconds']:.1f} s")
