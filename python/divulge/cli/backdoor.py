"""The command that looks for backdoors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from divulge.backdoors import BackdoorScan, backdoor_scan
from divulge.cli.classifiers import read_classifier
from divulge.cli.progress import ProgressDisplay
from divulge.cli.render import print_note, show
from divulge.datasets import load


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    victim: Path
    data: str | None
    target: str | None
    method: str
    bounds: tuple[float, float] | None
    source: int | None
    seed: int
    as_json: bool
    plot: Path | None


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed, or a model that cannot be used.
        OSError: a file that is not there.
    """
    file = options.victim
    with ProgressDisplay() as display:
        display.say(f"reading {options.data or file.name}")
        data = None if options.data is None else load(options.data, options.target, seed=options.seed)
        module, shape = read_classifier(file, None if data is None else data.input_shape)
        note = display.steps("looking for triggers")
        scan = backdoor_scan(
            module, data, shape=shape, method=options.method, bounds=options.bounds, source=options.source,
            seed=options.seed, progress=note,
        )  # fmt: skip
    report = _report(scan, options)
    show(report, options.as_json, _print_table)
    if options.plot is not None:
        from divulge.backdoors.figures import plot_triggers
        from divulge.plots import save_plot

        save_plot(plot_triggers(scan, f"smallest triggers of {file.name}"), options.plot)
    for sentence in scan.notes:
        print_note(sentence)
    return 0


def _report(scan: BackdoorScan, options: Options) -> dict[str, Any]:
    """Return what there is to say, ready for JSON."""
    return {
        "victim": str(options.victim),
        "data": options.data,
        "method": scan.method,
        "samples": scan.samples,
        "seed": options.seed,
        "bounds": list(scan.bounds),
        "source": scan.source,
        "flagged": list(scan.flagged),
        "moves": [[k, scan.moves[k]] for k in scan.moves],
        "finding": scan.finding,
        "classes": [
            {
                "class": k,
                "size": _finite(size),
                "anomaly_index": _finite(index),
                "success": _finite(success),
                "extent": _finite(extent),
                "place": list(trigger.place),
            }
            for k, (size, index, success, extent, trigger) in enumerate(
                zip(scan.sizes, scan.anomaly_index, scan.success, scan.extents, scan.triggers, strict=True)
            )
        ],
        "seconds": scan.seconds,
    }


def _finite(value: float) -> float | None:
    """Return a number, or None where JSON has none for it."""
    return float(value) if math.isfinite(value) else None


def _print_table(report: dict[str, Any]) -> None:
    table = Table()
    for name in ("class", "trigger, pixels", "anomaly index", "success", "rows", "columns", ""):
        table.add_column(name, justify="right")
    for entry in report["classes"]:
        table.add_row(*_cells(entry, report["flagged"]))
    console = Console(highlight=False)
    console.print(table)
    console.print(report["finding"])
    console.print(f"{report['method']}, tried on {report['data'] or 'noise'}, {report['seconds']:.2f} s")


def _cells(entry: dict[str, Any], flagged: list[int]) -> list[str]:
    top, bottom, left, right = entry["place"]
    numbers = (
        (entry["size"], ".1f"),
        (entry["anomaly_index"], ".1f"),
        (entry["success"], ".1%"),
    )
    return [
        str(entry["class"]),
        *("-" if value is None else format(value, form) for value, form in numbers),
        f"{top}-{bottom - 1}" if bottom else "-",
        f"{left}-{right - 1}" if right else "-",
        "flagged" if entry["class"] in flagged else "",
    ]
