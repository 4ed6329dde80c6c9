"""The command that explains a model as a whole by an additive one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from divulge.cli.progress import ProgressDisplay
from divulge.cli.render import write_json
from divulge.cli.steal import victim_of
from divulge.datasets import Dataset, load
from divulge.explanations import Additive, additive
from divulge.html import cell
from divulge.victims import Victim

_MOST = 15  # terms that the table shows


@dataclass(frozen=True)
class ExplainedOptions:
    """What names the model that is explained, its data, and how it is shown."""

    data: str
    target: str | None
    model: str
    trusted: bool
    named: str | None
    seed: int
    as_json: bool
    plot: Path | None


@dataclass(frozen=True)
class Options(ExplainedOptions):
    """What was asked for on the command line."""

    student: str
    pairs: int
    refits: int


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed, or a model that cannot be used.
        OSError: a file that is not there, or cannot be written.
    """
    with ProgressDisplay() as display:
        victim, data = explained(options, display)
        found = additive(
            victim,
            data,
            output=output_of(victim, class_of(data, options.named)),
            student=options.student,
            pairs=options.pairs,
            refits=options.refits,
            seed=options.seed,
            progress=display.steps("fitting additive models"),
        )
    (_print_json if options.as_json else _print_table)(found)
    if options.plot is not None:
        from divulge.plots import save_plot

        save_plot(found.plot(), options.plot)
    return 0


def explained(options: ExplainedOptions, display: ProgressDisplay) -> tuple[Victim, Dataset]:
    """Return the model that is explained, and its data with classes numbered as the model does."""
    display.say(f"reading {options.data}")
    data = load(options.data, options.target, seed=options.seed)
    victim = victim_of(options.model, data, options.seed, display, trusted=options.trusted)
    return victim, data if victim.class_names is None else data.with_classes(victim.class_names)


def class_of(data: Dataset, name: str | None) -> int:
    """Return the number of a class that is named as the data name it, by default the second.

    Raises:
        ValueError: there is none of that name.
    """
    if name is None:
        return 1
    names = [str(known) for known in data.class_names] or [str(k) for k in range(data.classes)]
    if name not in names:
        raise ValueError(f"expected a class named {', '.join(names[:10])}, got {name}")
    return names.index(name)


def output_of(victim: Victim, number: int) -> int:
    """Return the output that tells of a class; one output tells of the second, and with that of the first."""
    return 0 if victim.output_size == 1 else number


def _print_json(found: Additive) -> None:
    low, high = found.not_additive_interval
    fields = {
        "fidelity": found.fidelity,
        "rmse": found.rmse,
        "not_additive": found.not_additive,
        "not_additive_interval": [low, high],
        "agreement": found.agreement,
        "accuracy": found.accuracy,
        "student": found.name,
        "scale": found.scale,
        "seed": found.seed,
        "notes": list(found.notes),
        "terms": found.to_frame().to_dict("records"),
        "shapes": json.loads(found.shapes.to_json(orient="records", default_handler=str)),
    }
    write_json(fields)


def _print_table(found: Additive) -> None:
    console = Console(highlight=False)
    low, high = found.not_additive_interval
    console.print(
        f"an additive model explains {found.fidelity:.1%} of the variance and decides alike on "
        f"{found.agreement:.1%}; {found.not_additive:.1%} ({low:.1%} to {high:.1%}) is not additive",
        soft_wrap=True,
    )
    table: Any = Table()
    frame = found.to_frame()
    for place, name in enumerate(frame.columns):
        table.add_column(name, justify="right" if place else "left")
    for row in frame.head(_MOST).itertuples(index=False):
        table.add_row(*(escape(cell(value)) for value in row))
    console.print(table)
    for note in found.notes:
        console.print(escape(note), soft_wrap=True)
