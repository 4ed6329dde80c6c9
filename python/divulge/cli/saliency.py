"""The command that draws what a classifier holds of each class."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from divulge.cli.classifiers import read_classifier
from divulge.cli.progress import ProgressDisplay
from divulge.cli.render import print_note, show
from divulge.saliency import SaliencyMaps, agnostic_saliency
from divulge.victims import Victim


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    victim: Path
    classes: tuple[int, ...] | None
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
    file = options.victim
    start = time.perf_counter()
    with ProgressDisplay() as display:
        display.say(f"reading {file.name}")
        module, shape = read_classifier(file)
        targets = options.classes or range(Victim(module, shape, lower=False).output_size)
        note = display.steps("accumulating gradients")
        maps = agnostic_saliency(
            module, targets, shape, steps=options.steps, seed=options.seed, progress=note
        )
    report = _report(maps, options, time.perf_counter() - start)
    show(report, options.as_json, _print_table)
    if options.plot is not None:
        from divulge.plots import save_plot
        from divulge.saliency.views import gallery

        save_plot(gallery(maps, title=f"what {file.name} holds of its classes"), options.plot)
    for sentence in maps.notes:
        print_note(sentence)
    return 0


def _report(maps: SaliencyMaps, options: Options, seconds: float) -> dict[str, Any]:
    """Return what there is to say, ready for JSON."""
    return {
        "victim": str(options.victim),
        "seed": options.seed,
        "shape": list(maps.maps.shape[1:]),
        "steps": len(maps.reached) - 1,
        "classes": [
            {"class": target, "reached": float(share), "norm": float(norm), "complete": done}
            for target, share, norm, done in zip(
                maps.targets, maps.reached[-1], maps.norms[-1], maps.complete, strict=True
            )
        ],
        "seconds": seconds,
    }


def _print_table(report: dict[str, Any]) -> None:
    table = Table()
    for name in ("class", "samples that reach it", "norm of the map"):
        table.add_column(name, justify="right")
    for entry in report["classes"]:
        table.add_row(str(entry["class"]), f"{entry['reached']:.0%}", f"{entry['norm']:.2f}")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{report['steps']} steps, {report['seconds']:.2f} s")
