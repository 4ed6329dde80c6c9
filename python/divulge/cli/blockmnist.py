"""The command that asks how much of a gradient falls where nothing can be known."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from divulge.attributions import attribute
from divulge.cli.progress import ProgressDisplay
from divulge.cli.render import show
from divulge.datasets import BlockData, blockify, load
from divulge.evaluation.block_leakage import LEVELS, leakage
from divulge.evaluation.recipes import BLOCK_RADIUS, fit_block_model
from divulge.training import accuracy

_SHOWN = 8


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    data: str
    target: str | None
    model: str
    position: str
    attribution: str
    radius: float | None
    images: int
    seed: int
    as_json: bool
    plot: Path | None


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed.
        FileNotFoundError: data that are neither at hand nor can be downloaded.
    """
    start = time.perf_counter()
    with ProgressDisplay() as display:
        display.say(f"reading {options.data}")
        data = load(options.data, options.target, seed=options.seed)
        made = {
            part: blockify(
                data,
                position=options.position,
                signal=(0, 1),
                part=part,
                images=options.images,
                seed=options.seed,
            )
            for part in ("train", "test")
        }
        fitted = {name: _fit(options, name, made["train"], display) for name in ("standard", "robust")}
        display.say("computing attributions")
        report = _report(options, fitted, made["test"])
    report["seconds"] = time.perf_counter() - start
    show(report, options.as_json, _print_table)
    if options.plot is not None:
        _plot(options, fitted, made["test"])
    return 0


def _fit(options: Options, name: str, data: BlockData, display: ProgressDisplay) -> nn.Module:
    """Train the standard or the robust model."""
    radius = 0.0 if name == "standard" else _radius(options)
    return fit_block_model(
        options.model,
        data,
        radius,
        options.seed,
        progress=display.steps(f"training the {name} {options.model}"),
    )


def _radius(options: Options) -> float:
    return BLOCK_RADIUS[options.model] if options.radius is None else options.radius


def _report(options: Options, fitted: dict[str, nn.Module], test: BlockData) -> dict[str, Any]:
    """Return what there is to say, ready for JSON."""
    leaks = {
        name: leakage(module, test, options.attribution, levels=LEVELS, seed=options.seed)
        for name, module in fitted.items()
    }
    return {
        "data": options.data,
        "model": options.model,
        "position": options.position,
        "attribution": options.attribution,
        "radius": _radius(options),
        "seed": options.seed,
        "test_images": len(test.inputs),
        "levels": list(LEVELS),
        "models": {
            name: {
                "test_accuracy": accuracy(module, test.inputs, test.targets),
                "leakage": leaks[name].mean.tolist(),
                "standard_deviation": leaks[name].per_instance.std(dim=0).tolist(),
            }
            for name, module in fitted.items()
        },
    }


def _print_table(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(
        f"{report['data']} 0 and 1 in blocks, position {report['position']}: share of the "
        f"{report['attribution'].replace('_', ' ')}'s largest pixels inside the null block",
        soft_wrap=True,
    )
    table = Table()
    table.add_column(report["model"])
    table.add_column("test accuracy", justify="right")
    for level in report["levels"]:
        table.add_column(f"top {100 * level:g}%", justify="right")
    for name, entry in report["models"].items():
        label = name if name == "standard" else f"{name}, l2 radius {report['radius']:g}"
        shares = (f"{100 * share:.1f}%" for share in entry["leakage"])
        table.add_row(label, f"{100 * entry['test_accuracy']:.2f}%", *shares)
    console.print(table)
    console.print(f"{report['test_images']} test images, {report['seconds']:.1f} s")


def _plot(options: Options, fitted: dict[str, nn.Module], test: BlockData) -> None:
    """Draw a few test images above what both models' attributions say."""
    assert options.plot is not None
    from divulge.evaluation.figures import plot_attributions
    from divulge.plots import save_plot

    generator = torch.Generator().manual_seed(options.seed)
    rows = torch.randperm(len(test.inputs), generator=generator)[:_SHOWN]
    inputs, targets = test.inputs[rows], test.targets[rows]
    maps = {
        name: attribute(module, inputs, options.attribution, targets=targets, seed=options.seed)
        for name, module in fitted.items()
    }
    save_plot(plot_attributions(inputs, maps, options.attribution.replace("_", " ")), options.plot)
