"""The command that says which explanation an API may return."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from divulge.cli import models
from divulge.cli.progress import ProgressDisplay
from divulge.cli.steal import classifier, whole_numbers
from divulge.datasets import load
from divulge.oracles import ORACLES, check_defence
from divulge.registry import split_list
from divulge.report import LeakReport, leak_report
from divulge.report.page import HEADS
from divulge.training import NETWORKS
from divulge.victims import Victim


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    data: str = "digits"
    model: str = "mlp"
    oracles: str = "label,probability,gradient,smoothgrad"
    defences: str = "none,rounded:2,top:10"
    budgets: str = "10,30,100,300"
    surrogate: str = "mlp"
    steps: int = 500
    output: Path | None = None
    seed: int = 0
    as_json: bool = False


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed, or a model that cannot be used.
        OSError: a file that is not there, or cannot be written.
    """
    budgets = whole_numbers("--budgets", options.budgets)
    models.check_data(options.data)
    models.check_least(steps=(options.steps, 1), seed=(options.seed, 0))
    oracles, defences = split_list(options.oracles), split_list(options.defences)
    for oracle in oracles:
        ORACLES.parse(oracle)
    for defence in defences:
        check_defence(defence)
    NETWORKS.parse(options.surrogate)
    if options.output is not None and not options.output.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {options.output.parent}")
    with ProgressDisplay() as display:
        display.say(f"reading {options.data}")
        data = load(options.data)
        victim = Victim(classifier(options.model, data, options.seed, display), data.input_shape)
        report = leak_report(
            victim,
            data,
            oracles=oracles,
            defences=defences,
            budgets=budgets,
            surrogate=options.surrogate,
            steps=options.steps,
            seed=options.seed,
            progress=display.steps("learning copies"),
        )
    if options.output is not None:
        report.save(options.output)
    (_print_json if options.as_json else _print_table)(report)
    return 0


def _print_json(report: LeakReport) -> None:
    fields = {"victim": report.victim, "seed": report.seed, "summary": report.summary()}
    rows = {"table": _records(report.table), "curves": _records(report.curves)}
    sys.stdout.write(json.dumps(fields | rows) + "\n")


def _records(frame: Any) -> list[dict[str, Any]]:
    """Rows with null for NaN."""
    return [
        {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in row.items()
        }
        for row in frame.to_dict("records")
    ]


def _print_table(report: LeakReport) -> None:
    console = Console(highlight=False)
    console.print(f"queries until a copy of {report.victim} agrees", soft_wrap=True)
    table = Table()
    for place, name in enumerate(HEADS.values()):
        table.add_column(name, justify="left" if place < 2 else "right")
    for row in report.table.to_dict("records"):
        counts = [row[name] for name in ("queries_90", "queries_95", "queries_99", "exact")]
        table.add_row(
            row["explanation"],
            row["defence"],
            *("-" if math.isnan(count) else f"{count:,.0f}" for count in counts),
            f"{row['best']:.1%}",
            "-" if math.isnan(row["rank_correlation"]) else f"{row['rank_correlation']:.2f}",
        )
    console.print(table)
    for sentence in report.summary():
        console.print(sentence, soft_wrap=True)
