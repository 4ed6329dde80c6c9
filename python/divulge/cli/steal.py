"""The command that trains a copy on what an API would answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import nn

from divulge.cli import models
from divulge.cli.options import MODELS
from divulge.cli.progress import ProgressDisplay
from divulge.cli.registries import check_defence
from divulge.cli.render import write_json
from divulge.datasets import Dataset, load
from divulge.oracles import defence_by_name, oracle_by_name
from divulge.surrogate import Stolen, steal
from divulge.surrogate.measure_numbers import explained_share
from divulge.surrogate.stolen import EXPLAINED
from divulge.training import cnn, fit_classifier
from divulge.victims import Victim


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    data: str
    target: str | None
    model: str
    trusted: bool
    oracle: str
    defence: str
    surrogate: str
    queries: tuple[int, ...]
    inputs: str | None
    steps: int
    seed: int
    as_json: bool
    plot: Path | None


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed, or a model that cannot be used.
        OSError: a file that is not there.
    """
    with ProgressDisplay() as display:
        display.say(f"reading {options.data}")
        data = load(options.data, options.target, seed=options.seed)
        check_defence(options.defence, prod(data.input_shape))
        victim = victim_of(options.model, data, options.seed, display, trusted=options.trusted)
        if victim.class_names is not None:
            data = data.with_classes(victim.class_names)
        elif victim.predicts_numbers:
            data = data.with_numbers()
        oracle = defence_by_name(options.defence, oracle_by_name(options.oracle, victim, data=data))
        stolen = steal(
            oracle,
            options.surrogate,
            queries=options.queries,
            data=data,
            inputs=options.inputs,
            steps=options.steps,
            seed=options.seed,
            progress=display.steps(f"learning from {options.oracle} answers"),
        )
    right = _right(victim, data, stolen)
    if options.as_json:
        write_json(_report(options, stolen, right))
    else:
        _print_table(options, stolen, right)
    if options.plot is not None:
        from divulge.plots import save_plot
        from divulge.surrogate.figures import plot_leaks

        label = options.oracle if options.defence == "none" else f"{options.oracle}, {options.defence}"
        save_plot(plot_leaks({label: stolen.leak_curve}, measure=stolen.measure), options.plot)
    return 0


def _right(victim: Victim, data: Dataset, stolen: Stolen) -> float:
    """Return the share of test inputs whose class the victim names, or of their numbers' variance."""
    if stolen.measure == EXPLAINED:
        targets = data.test_targets.double().numpy()
        values = victim.values(data.test_inputs.flatten(1))
        return explained_share(values[:, 0], targets) if values.shape[1] == 1 else math.nan
    return float((victim.classes(data.test_inputs) == data.test_targets.numpy()).mean())


def victim_of(name: str, data: Dataset, seed: int, display: ProgressDisplay, *, trusted: bool) -> Victim:
    """Return the victim that --model names: logistic, mlp, cnn or a file."""
    if name in MODELS:
        steps = display.steps(f"training on {data.name}")
        return Victim(models.train(name, data, seed, steps), data.input_shape)
    if name == "cnn":
        return Victim(_trained_cnn(data, seed, display), data.input_shape)
    victim = Victim.from_file(name, data, trusted=trusted)
    models.check_fits(victim, data, Path(name).name)
    return victim


def _trained_cnn(data: Dataset, seed: int, display: ProgressDisplay) -> nn.Module:
    """Train a small convolutional network."""
    epochs, batch_size = models.training_of(data)
    return fit_classifier(
        cnn(data.input_shape, data.classes, seed=seed),
        data.train_inputs,
        data.train_targets,
        seed=seed,
        epochs=max(1, epochs // 4),
        batch_size=batch_size,
        progress=display.steps(f"training on {data.name}"),
    )


def _report(options: Options, stolen: Stolen, right: float) -> dict[str, Any]:
    """Return what there is to say, ready for JSON."""
    rows = stolen.leak_curve.to_dict("records")
    return {
        "data": options.data,
        "model": options.model,
        "victim_accuracy": None if math.isnan(right) else right,
        "measure": stolen.measure,
        "oracle": options.oracle,
        "defence": options.defence,
        "surrogate": options.surrogate,
        "queries": stolen.queries,
        "solved": stolen.solved,
        "seed": options.seed,
        "leak_curve": [
            {
                str(name): None if value is not None and value != value else value
                for name, value in row.items()
            }
            for row in rows
        ],
    }


def _print_table(options: Options, stolen: Stolen, right: float) -> None:
    console = Console(highlight=False)
    behind = "" if options.defence == "none" else f" behind {options.defence}"
    numbers = stolen.measure == EXPLAINED
    told = f"explains {right:.1%} of the variance" if numbers else f"accuracy {right:.1%}"
    console.print(
        f"{options.data}, {options.model} ({told}): a copy ({options.surrogate}) from "
        f"{options.oracle} answers{behind}",
        soft_wrap=True,
    )
    table = Table()
    heads = (stolen.measure, "of the truth" if numbers else "accuracy")
    for name in ("queries", *heads, "gradient cosine", "seconds", "of it the victim"):
        table.add_column(name, justify="right")
    for row in stolen.leak_curve.itertuples():
        table.add_row(*_cells(row))
    console.print(table)
    if stolen.solved:
        console.print("solved in closed form: a linear victim", soft_wrap=True)


def _cells(row: Any) -> list[str]:
    cosine = "" if math.isnan(row.gradient_cosine) else f"{row.gradient_cosine:.3f}"
    return [
        f"{row.queries:,}",
        f"{row.agreement:.1%}",
        f"{row.accuracy:.1%}",
        cosine,
        f"{row.seconds:.1f}",
        f"{row.victim_seconds:.2f}",
    ]
