"""The command that says which explanation an API may return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from divulge.cli.progress import ProgressDisplay
from divulge.cli.registries import check_defence
from divulge.cli.render import write_json
from divulge.cli.steal import victim_of
from divulge.datasets import load
from divulge.report import LeakReport, leak_report
from divulge.report.page import HEADS, cells
from divulge.report.pairs import usual_defences
from divulge.report.verdict import named, takes
from divulge.surrogate.stolen import EXPLAINED

_MOST = 10  # numbers of an explanation that a defence lets out


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    data: str
    target: str | None
    model: str
    trusted: bool
    oracles: tuple[str, ...] | None
    defences: tuple[str, ...] | None
    budgets: tuple[int, ...]
    surrogate: str
    steps: int
    seeds: int
    price: float | None
    jobs: int
    output: Path | None
    seed: int
    as_json: bool


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed, or a model that cannot be used.
        OSError: a file that is not there, or cannot be written.
    """
    with ProgressDisplay() as display:
        display.say(f"reading {options.data}")
        data = load(options.data, options.target, seed=options.seed)
        defences = options.defences or usual_defences(prod(data.input_shape), _MOST)
        for defence in defences:
            check_defence(defence, prod(data.input_shape))
        victim = victim_of(options.model, data, options.seed, display, trusted=options.trusted)
        report = leak_report(
            victim,
            data,
            oracles=options.oracles,
            defences=defences,
            budgets=options.budgets,
            surrogate=options.surrogate,
            steps=options.steps,
            seeds=options.seeds,
            price=options.price,
            jobs=options.jobs,
            seed=options.seed,
            progress=display.steps("learning copies"),
            partial=_told(display),
        )
    if options.output is not None:
        report.save(options.output)
    (_print_json if options.as_json else _print_table)(report)
    return 0


def _told(display: ProgressDisplay) -> Callable[[LeakReport], None]:
    """Return what writes a line for each explanation behind a defence as soon as it was measured."""
    before: set[tuple[str, str]] = set()

    def tell(report: LeakReport) -> None:
        for row in report.table.to_dict("records"):
            if (pair := (row["explanation"], row["defence"])) not in before:
                before.add(pair)
                display.tell(f"{named(row)}: {takes(row)}, risk {row['risk']}")

    return tell


def _print_json(report: LeakReport) -> None:
    fields = {"victim": report.victim, "seed": report.seed, "summary": report.summary()}
    rows = {"table": report.table.to_dict("records"), "curves": report.curves.to_dict("records")}
    write_json(fields | rows)


def _print_table(report: LeakReport) -> None:
    console = Console(highlight=False)
    told = "explains the variance" if report.measure == EXPLAINED else "agrees"
    console.print(f"queries until a copy of {report.victim} {told}", soft_wrap=True)
    table = Table()
    for place, name in enumerate(HEADS.values()):
        table.add_column(name, justify="left" if place < 2 else "right")
    for row in report.table.to_dict("records"):
        table.add_row(*map(escape, cells(row, none="-")))
    console.print(table)
    for sentence in report.summary():
        console.print(sentence, soft_wrap=True)
