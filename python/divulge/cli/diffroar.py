"""The command that retrains on what an attribution ranks first, and on what it ranks last."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from torch import nn

from divulge.cli.progress import ProgressDisplay
from divulge.cli.render import show
from divulge.datasets import Dataset, load, subset
from divulge.evaluation import AdamTrainer, diffroar
from divulge.training import Pgd, network_by_name

if TYPE_CHECKING:
    import pandas as pd

# Adversarial training takes more passes, and a ball that grows over the first half of them.
_ROBUST_EPOCHS, _ATTACK_STEPS, _WARM_UP = 1.6, 4, 0.5


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    data: str
    target: str | None
    model: str
    attribution: str
    levels: tuple[float, ...]
    runs: int
    radius: float
    norm: str
    images: int | None
    epochs: int
    jobs: int
    folder: Path | None
    seed: int
    as_json: bool
    plot: Path | None


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed.
        FileNotFoundError: data that are neither at hand nor can be downloaded.
    """
    attack = _attack(options)
    start = time.perf_counter()
    with ProgressDisplay() as display:
        display.say(f"reading {options.data}")
        data = subset(
            load(options.data, options.target, seed=options.seed), train=options.images, seed=options.seed
        )
        plain = AdamTrainer(epochs=options.epochs)
        frame = diffroar(
            partial(_network, options.model, data.input_shape, data.classes),
            data,
            options.attribution,
            levels=options.levels,
            runs=options.runs,
            trainer=plain
            if attack is None
            else AdamTrainer(epochs=math.ceil(_ROBUST_EPOCHS * options.epochs), perturb=attack),
            retrainer=plain,
            seed=options.seed,
            jobs=options.jobs,
            folder=options.folder,
            progress=display.steps("training on what is left"),
        )
    report = _report(options, data, frame)
    report["seconds"] = time.perf_counter() - start
    show(report, options.as_json, _print_table)
    if options.plot is not None:
        from divulge.evaluation.figures import plot_roar
        from divulge.plots import save_plot

        save_plot(plot_roar({options.attribution.replace("_", " "): frame}), options.plot)
    return 0


def _network(kind: str, shape: tuple[int, ...], classes: int, seed: int) -> nn.Module:
    return network_by_name(kind, shape, classes, seed=seed)


def _attack(options: Options) -> Pgd | None:
    """Return the adversary of the attributed models."""
    if not options.radius:
        return None
    return Pgd(options.radius, norm=options.norm, steps=_ATTACK_STEPS, warm_up=_WARM_UP)


def _report(options: Options, data: Dataset, frame: pd.DataFrame) -> dict[str, Any]:
    """Return what there is to say, ready for JSON."""
    rows = [
        {name: None if value != value else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]
    return {
        "data": options.data,
        "model": options.model,
        "attribution": options.attribution,
        "radius": options.radius,
        "norm": options.norm,
        "epochs": options.epochs,
        "runs": options.runs,
        "seed": options.seed,
        "training_images": len(data.train_inputs),
        "test_images": len(data.test_inputs),
        "levels": rows,
    }


def _print_table(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    trained = f", trained against {report['norm']} radius {report['radius']:g}" if report["radius"] else ""
    console.print(
        f"{report['data']}, {report['model']}{trained}: test accuracy of models trained on the pixels that "
        f"the {report['attribution'].replace('_', ' ')} ranks first, and last",
        soft_wrap=True,
    )
    table = Table()
    for name in ("kept", "top", "bottom", "top - bottom", "random ranking"):
        table.add_column(name, justify="right")
    for row in report["levels"]:
        table.add_row(
            f"{100 * row['level']:g}%",
            f"{100 * row['top']:.1f}%",
            f"{100 * row['bottom']:.1f}%",
            f"{row['diffroar']:+.3f}{_interval(row['low'], row['high'])}",
            f"{row['random']:+.3f}{_interval(row['random_low'], row['random_high'])}",
        )
    console.print(table)
    console.print(
        f"{report['runs']} runs with their 95% interval, {report['training_images']} training and "
        f"{report['test_images']} test images, the attributed models "
        f"{100 * report['levels'][0]['model']:.1f}% right on them, {report['seconds']:.1f} s",
        soft_wrap=True,
    )


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None else f" ({low:+.3f} to {high:+.3f})"
