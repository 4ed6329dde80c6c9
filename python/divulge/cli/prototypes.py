"""The command that shows which training samples stand for what a model makes of a class."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import nn

from divulge.arrays import Index
from divulge.cli import models
from divulge.cli.additive import class_of
from divulge.cli.execution import INTERRUPTED
from divulge.cli.progress import ProgressDisplay
from divulge.cli.render import show
from divulge.datasets import Dataset, load
from divulge.influence import Prototypes, prototypes

# Of a file that is no chain of linear layers the layers are not known, which ekfac needs, and to solve for
# each sample takes minutes. On the digits rank 500 leaves residuals of .01 and names what exact solves name.
_LOW_RANK = {"curvature": "gauss_newton", "solver": "nystroem", "tolerance": 0.1}
_RANK = 500
_MOST_NUMBERS = 1 << 25  # of that rank's basis: 256 MiB, of which some eight are held at once


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    data: str
    target: str | None
    model: str
    named: str | None
    count: int
    criticisms: int
    damping: float | None
    seed: int
    as_json: bool
    plot: Path | None


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed, or a model that cannot be used.
        OSError: a file that is not there, or cannot be written.
    """
    start = time.perf_counter()
    with ProgressDisplay() as display:
        display.say(f"reading {options.data}")
        data = load(options.data, options.target, seed=options.seed)
        number = class_of(data, options.named)
        rows = _rows_of(data, number)
        images: Any = None if options.plot is None else _images(data)
        module = models.model(options.model, data, options.seed, display)
        display.say("taking curvature")
        how = _low_rank(module) if isinstance(module, models.Reshaped) else {"curvature": "ekfac"}
        influence = models.influence(options.model, module, data, options.damping, **how)
        found = prototypes(
            influence,
            (data.test_inputs[rows], data.test_targets[rows]),
            options.count,
            criticisms=options.criticisms,
            progress=display.steps("choosing prototypes"),
        )
    report = _report(options, data, number, len(rows), found)
    report["seconds"] = time.perf_counter() - start
    show(report, options.as_json, _print_table)
    if options.plot is not None and report["samples"]:
        from divulge.plots import save_plot

        save_plot(found.plot(images), options.plot)
    return INTERRUPTED if found.stopped == "interrupted" else 0


def _low_rank(module: nn.Module) -> dict[str, Any]:
    """Return how to solve for a module of any kind, with as much rank as memory allows."""
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return {**_LOW_RANK, "rank": max(1, min(_RANK, _MOST_NUMBERS // max(1, parameters)))}


def _rows_of(data: Dataset, number: int) -> Index:
    """Return the test samples of a class.

    Raises:
        ValueError: there is none.
    """
    rows = np.flatnonzero(data.test_targets.numpy() == number)
    if not len(rows):
        raise ValueError(
            f"expected a class with test samples, {data.name} has none of {_names(data)[number]}"
        )
    return rows


def _names(data: Dataset) -> list[str]:
    return [str(name) for name in data.class_names] or [str(k) for k in range(data.classes)]


def _images(data: Dataset) -> Any:
    """Return the training inputs in the form of images.

    Raises:
        ValueError: they are none.
    """
    if len(data.input_shape) not in (2, 3):
        raise ValueError(f"expected images for --plot, {data.name} has inputs of shape {data.input_shape}")
    return data.train_inputs.reshape(-1, *data.input_shape)


def _report(options: Options, data: Dataset, number: int, points: int, found: Prototypes) -> dict[str, Any]:
    """Return what there is to say, ready for JSON."""
    names = _names(data)
    frame = found.to_frame()
    frame["label"] = [names[int(data.train_targets[row])] for row in frame["sample"]]
    entries = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return {
        "data": data.name,
        "model": options.model,
        "seed": options.seed,
        "class": names[number],
        "points": points,
        "stopped": found.stopped,
        "samples": entries,
    }


def _print_table(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(
        f"training samples that stand for what {report['model']} makes of {report['points']} test samples of "
        f"class {report['class']} of {report['data']}",
        soft_wrap=True,
        markup=False,
    )
    table = Table()
    for name in ("", "sample", "label", "weight", "unexplained"):
        table.add_column(name, justify="right" if name not in ("", "label") else "left")
    for entry in report["samples"]:
        shown = [f"{entry['kind']} {entry['rank']}", str(entry["sample"]), escape(entry["label"])]
        told = entry["weight"], entry["unexplained"]
        shown += ["" if told[0] is None else f"{told[0]:.2f}", "" if told[1] is None else f"{told[1]:.1%}"]
        table.add_row(*shown)
    console.print(table)
    if report["stopped"]:
        console.print(f"stopped: {report['stopped']}")
    console.print(f"{report['seconds']:.1f} s")
