"""The command that draws what a classifier holds of each class."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from divulge.cli.classifiers import check_victim, read_classifier
from divulge.cli.progress import ProgressDisplay
from divulge.cli.render import print_note, show
from divulge.saliency import SaliencyMaps, agnostic_saliency
from divulge.victims import Victim


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    victim: Path | None = None
    classes: str = "all"
    steps: int = 100
    seed: int = 0
    as_json: bool = False
    plot: Path | None = None


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed, or a model that cannot be used.
        OSError: a file that is not there.
    """
    file = check_victim(options.victim, options.plot, seed=(options.seed, 0), steps=(options.steps, 1))
    start = time.perf_counter()
    with ProgressDisplay() as display:
        display.say(f"reading {file.name}")
        module, shape = read_classifier(file)
        targets = _classes(options.classes, Victim(module, shape, lower=False).output_size)
        note = display.steps("accumulating gradients")
        maps = agnostic_saliency(
            module, targets, shape, steps=options.steps, seed=options.seed, progress=note
        )
    report = _report(maps, options, time.perf_counter() - start)
    show(report, options.as_json, _print_table)
    if options.plot is not None:
        from divulge.saliency.views import gallery

        gallery(maps, title=f"what {file.name} holds of its classes").savefig(options.plot)
    for sentence in maps.notes:
        print_note(sentence)
    return 0


def _classes(text: str, outputs: int) -> list[int]:
    """Return the classes that --classes names."""
    if text == "all":
        return list(range(outputs))
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"expected --classes to be all or numbers such as 0,3,5, got {text}") from None


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
