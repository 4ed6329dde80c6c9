"""The command that draws local explanations together into groups with an explanation each."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from divulge.cli.additive import ExplainedOptions, class_of, explained, output_of
from divulge.cli.progress import ProgressDisplay
from divulge.cli.render import show
from divulge.datasets import Dataset
from divulge.explanations import ExplanationTree, multilevel
from divulge.html import cell
from divulge.oracles import oracle_by_name
from divulge.victims import Victim

_COLUMNS = 4  # of a group that the table shows


@dataclass(frozen=True)
class Options(ExplainedOptions):
    """What was asked for on the command line."""

    groups: int
    rows: int


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed, or a model that cannot be used.
        OSError: a file that is not there, or cannot be written.
    """
    start = time.perf_counter()
    with ProgressDisplay() as display:
        victim, data = explained(options, display)
        output = output_of(victim, class_of(data, options.named))
        name = "gradient" if victim.differentiable else "lime"
        rows = data.train_inputs.flatten(1).numpy()[: options.rows]
        display.say(f"explaining {len(rows)} rows by {name}")
        answers = oracle_by_name(name, victim, data=data).explain(rows, output)
        tree = multilevel(answers, kind="slopes", progress=display.steps("fusing explanations")).refined(
            options.groups
        )
    report = _report(options, tree, victim, data, output) | {"explanation": name}
    report["seconds"] = time.perf_counter() - start
    show(report, options.as_json, _print_tables)
    if options.plot is not None:
        from divulge.plots import save_plot

        save_plot(tree.plot(options.groups), options.plot)
    return 0


def _report(
    options: Options, tree: ExplanationTree, victim: Victim, data: Dataset, output: int
) -> dict[str, Any]:
    """Return what there is to say, ready for JSON."""
    unseen = data.test_inputs.flatten(1).numpy()
    values = victim.values(unseen)[:, output]
    counts = sorted({tree.cut(count).count for count in range(1, options.groups + 1)})
    return {
        "data": data.name,
        "model": options.model,
        "class": options.named or str((data.class_names or range(data.classes))[1]),
        "rows": len(tree.local.x),
        "seed": options.seed,
        "levels": [
            {
                "groups": count,
                "fidelity": tree.cut(count).fidelity,
                "unseen": tree.fidelity(unseen, values, count),
            }
            for count in counts
        ],
        "groups": _groups(tree, data, options.groups),
    }


def _groups(tree: ExplanationTree, data: Dataset, groups: int) -> list[dict[str, Any]]:
    """Return rows and slopes of each group, the largest first; slopes for one deviation of their column."""
    pooled = tree.cut(groups).pooled
    slopes = pooled.explanations * tree.local.x.std(axis=0)
    names = [str(column.name) for column in data.columns] or [str(j) for j in range(slopes.shape[1])]
    return [
        {"rows": int(pooled.sizes[g]), "slopes": dict(zip(names, slopes[g].tolist(), strict=True))}
        for g in np.argsort(-pooled.sizes, kind="stable")
    ]


def _print_tables(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(
        f"{report['model']} on {report['data']}, class {report['class']}: {report['explanation']} of "
        f"{report['rows']} rows, drawn together",
        soft_wrap=True,
        markup=False,
    )
    levels = Table()
    for name in ("groups", "explained of the rows", "of test rows"):
        levels.add_column(name, justify="right")
    for level in report["levels"]:
        levels.add_row(str(level["groups"]), _share(level["fidelity"]), _share(level["unseen"]))
    console.print(levels)
    groups = Table()
    groups.add_column("rows", justify="right")
    groups.add_column("what counts, for one deviation of the column")
    for group in report["groups"]:
        largest = sorted(group["slopes"].items(), key=lambda pair: -abs(pair[1]))[:_COLUMNS]
        told = ", ".join(f"{name} {cell(slope)}" for name, slope in largest)
        groups.add_row(str(group["rows"]), escape(told))
    console.print(groups)
    console.print(f"{report['seconds']:.1f} s")


def _share(value: float) -> str:
    """A share, or a dash where values do not vary and yet are missed."""
    return f"{value:.1%}" if math.isfinite(value) else "-"
