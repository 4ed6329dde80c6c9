"""The command that runs many experiments from one file."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from divulge.cli.execution import FAILED
from divulge.cli.progress import ProgressDisplay
from divulge.sweep import read_experiment
from divulge.sweep import sweep as run_sweep
from divulge.sweep.summary import settings_that_vary, summary

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    experiment: Path
    results: Path | None
    as_json: bool
    plot: Path | None


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: the file, or a file among the results, cannot be used.
        FileNotFoundError: there is no such file.
    """
    experiment = read_experiment(options.experiment)
    with ProgressDisplay() as display:
        try:
            result = run_sweep(experiment, folder=options.results, progress=display.steps("running"))
        except ImportError as error:
            raise ValueError(str(error)) from error
    rows = summary(result.table, settings_that_vary(result.table))
    if options.as_json:
        sys.stdout.write(json.dumps(json.loads(rows.to_json(orient="records"))) + "\n")
    else:
        _print_table(rows)
        failed = int((result.table["error"] != "").sum())
        Console(highlight=False).print(
            f"{len(result.table)} runs, {result.already} of them from before, {failed} failed; "
            f"rows in {result.folder}",
            markup=False,
            soft_wrap=True,
        )
    if options.plot is not None:
        from divulge.plots import save_plot
        from divulge.sweep.figures import plot_sweep

        save_plot(plot_sweep(result.table), options.plot)
    return FAILED if (result.table["error"] != "").all() else 0


def _print_table(rows: pd.DataFrame) -> None:
    """Print one line a combination."""
    table = Table()
    for name in rows.columns:
        table.add_column(name.replace("_", " "))
    for row in rows.itertuples(index=False):
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row))
    Console(highlight=False, width=160).print(table)
