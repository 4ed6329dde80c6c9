"""The command that says what would have to be otherwise for a model to decide otherwise."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from divulge.cli.additive import ExplainedOptions, class_of, explained, output_of
from divulge.cli.progress import ProgressDisplay
from divulge.cli.render import write_json
from divulge.datasets import Dataset
from divulge.explanations import Counterfactuals, counterfactuals
from divulge.html import cell
from divulge.victims import Victim


@dataclass(frozen=True)
class Options(ExplainedOptions):
    """What was asked for on the command line."""

    rows: int
    fixed: str | None
    generations: int


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed, or a model that cannot be used.
        OSError: a file that is not there, or cannot be written.
    """
    with ProgressDisplay() as display:
        victim, data = explained(options, display)
        wanted = class_of(data, options.named)
        points = _others(victim, data, wanted, options.rows)
        first = victim.output_size == 1 and wanted == 0
        found = counterfactuals(
            victim,
            points,
            data=data,
            target=(0.0, 0.5) if first else (0.5, 1.0),
            output=output_of(victim, wanted),
            fixed=_columns(data, options.fixed),
            generations=options.generations,
            seed=options.seed,
            progress=display.steps("looking for counterfactuals"),
        )
    (_print_json if options.as_json else _print_table)(found, data)
    if options.plot is not None:
        from divulge.plots import save_plot

        save_plot(found.plot(), options.plot)
    return 0


def _columns(data: Dataset, text: str | None) -> list[object]:
    """The columns that a list of their names means; of data without names their places."""
    if text is None:
        return []
    names = [column.name for column in data.columns] or list(range(int(np.prod(data.input_shape))))
    spelt = {str(name): name for name in names}
    return [spelt.get(part, part) for part in text.split(",")]


def _others(victim: Victim, data: Dataset, wanted: int, most: int) -> np.ndarray:
    """The first test rows (n, d) that the model gives another class.

    Raises:
        ValueError: there is none.
    """
    rows = data.test_inputs.flatten(1).numpy()
    others = rows[victim.classes(rows) != wanted]
    if not len(others):
        raise ValueError(f"the model gives all {len(rows)} test rows the wanted class: nothing to change")
    return np.asarray(others[:most])


def _print_json(found: Counterfactuals, data: Dataset) -> None:
    fields = {
        "target": list(found.target),
        "reached": found.reached.tolist(),
        "rows_asked_about": found.asked,
        "seed": found.seed,
        "notes": list(found.notes),
        "counterfactuals": json.loads(found.to_frame().to_json(orient="records", default_handler=str)),
    }
    write_json(fields)


def _print_table(found: Counterfactuals, data: Dataset) -> None:
    console = Console(highlight=False)
    best = found.best()
    table = Table()
    for name in ("row", "valid", "probability", "distance", "what changes"):
        table.add_column(name, justify="left" if name == "what changes" else "right")
    names = [str(column.name) for column in found.columns]
    entries = best.iloc[:, -len(names) :]
    own = found._rows.frame(found.points)
    for row in range(len(best)):
        changed = [
            f"{name}: {cell(own.iloc[row, j])} to {cell(entries.iloc[row, j])}"
            for j, name in enumerate(names)
            if own.iloc[row, j] != entries.iloc[row, j]
        ]
        parts = [best.loc[row, name] for name in ("point", "valid", "prediction", "distance")]
        table.add_row(*(cell(part) for part in parts), escape("; ".join(changed)))
    console.print(table)
    for note in found.notes:
        console.print(escape(note), soft_wrap=True)
