"""Tables of leak curves: `python bench/leak_tables.py FOLDER`. docs/leak_pictures.py draws them.

Reads the rows that `bench/leaks.py --store FOLDER` kept. Every number is the median over the seeds, with the
range from the least to the largest behind it. How many queries an agreement takes is interpolated on each
seed's own curve, evenly in the logarithm of the queries.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from divulge.report.runs import AGREEMENTS, queries_until
from divulge.sweep.results import Results, as_table

if TYPE_CHECKING:
    import pandas as pd

ORDER = {
    "data": ("digits", "mnist", "mnist halved", "fashion-mnist", "cifar10"),
    "victim": ("linear", "mlp", "cnn"),
    "surrogate": ("linear", "mlp", "cnn"),
    "oracle": ("label", "probability", "gradient", "smoothgrad", "saliency", "heat_map", "grad_cam"),
}
WHAT = ["data", "victim", "surrogate"]


def spread(values: Sequence[float], form: str) -> str:
    """Median and range, or the one value there is."""
    numbers = np.asarray(values, float)
    told = [_number(x, form) for x in (np.median(numbers), numbers.min(), numbers.max())]
    return told[0] if len(set(told)) == 1 else f"{told[0]} ({told[1]} to {told[2]})"


def _number(x: float, form: str) -> str:
    """A share without the zero before its point; more than was asked where it is infinite."""
    return "more" if np.isinf(x) else f"{x:{form}}".removeprefix("0") or "0"


def curve_lines(table: pd.DataFrame) -> list[str]:
    """Return the agreement for every number of queries and kind of answer, and what they took."""
    kinds = [name for name in ORDER["oracle"] if name in set(table["oracle"])]
    lines = ["", "| queries | " + " | ".join(kinds) + " |", "| ---: |" + " ---: |" * len(kinds)]
    for count in sorted(set(table["queries"])):
        parts = [table[(table["queries"] == count) & (table["oracle"] == name)] for name in kinds]
        told = [spread(part["agreement"], ".4f") if len(part) else "" for part in parts]
        lines.append(f"| {count:,} | " + " | ".join(told) + " |")
    costs = "; ".join(_cost(table, name) for name in kinds)
    return [*lines, "", f"Steps, seeds, the victim's share of the time: {costs}."]


def _cost(table: pd.DataFrame, name: str) -> str:
    """What the rows of one kind of answer took."""
    part = table[table["oracle"] == name]
    share = part["victim_seconds"].sum() / part["seconds"].sum()
    steps = ", ".join(f"{n:,}" for n in sorted(set(part["steps"])))
    seeds = sorted(set(part.groupby("queries")["seed"].nunique()))
    return f"{name} {steps}, {' to '.join(str(n) for n in seeds)}, {share:.1%}"


def reached_line(table: pd.DataFrame) -> str:
    """Return the queries that each agreement takes, of one kind of answer."""
    told = []
    for level in AGREEMENTS:
        curves = [part.sort_values("queries") for _, part in table.groupby("seed")]
        found = [queries_until(curve, level) for curve in curves]
        told.append(spread([np.inf if np.isnan(x) else x for x in found], ",.0f"))
    first = table.iloc[0]
    most = table["queries"].max()
    return (
        f"| {first['data']} | {first['victim']} | {first['surrogate']} | {first['oracle']} | "
        f"{table['seed'].nunique()} | {most:,} | " + " | ".join(told) + " |"
    )


def main() -> None:
    """Print a table for each data set, victim and copy, and one of the queries that agreements take."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    table = as_table(Results(options.folder).read().values())
    table = table.sort_values([*ORDER], key=lambda column: column.map(ORDER[column.name].index))
    groups = [group for _, group in table.groupby(WHAT, sort=False)]
    for group in groups:
        first = group.iloc[0]
        print(f"\n#### {first['data']}, victim {first['victim']}, copy {first['surrogate']}")
        print("\n".join(curve_lines(group)))
    levels = " | ".join(f"{level:.0%}" for level in AGREEMENTS)
    print(f"\n| data | victim | copy | answers | seeds | asked | {levels} |")
    print("| --- | --- | --- | --- | ---: | ---: |" + " ---: |" * len(AGREEMENTS))
    for group in groups:
        for _, part in group.groupby("oracle", sort=False):
            print(reached_line(part))


if __name__ == "__main__":
    main()
