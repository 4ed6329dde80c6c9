"""Draw the leak curves of surrogates.md from the tables on that page.

python docs/leak_pictures.py
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from divulge.palette import COLOURS, MARKS

HERE = Path(__file__).parent
ORACLES = ("label", "probability", "gradient", "smoothgrad")
# one for each answer, in all panels
LOOKS = dict(zip(ORACLES, zip(COLOURS, MARKS, strict=True), strict=False))


def tables(page: str) -> dict[tuple[str, str], list[list[str]]]:
    """Return the cells of each table whose copy is of the victim's own kind, by data set and victim."""
    found = {}
    for part in page.split("\n#### ")[1:]:
        title, *lines = part.splitlines()
        named = re.fullmatch(r"(\S+), victim (\w+), copy (\w+)", title)
        if named and named[2] == named[3]:
            rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
            found[named[1], named[2]] = [[cell.strip() for cell in row] for row in rows]
    return found


def numbers(cell: str) -> list[float]:
    """Return median, least and largest of a cell such as `.1667 (.1518 to .2589)`; NaN of an empty one."""
    told = [float(number) for number in re.findall(r"\d*\.\d+", cell)]
    return told if len(told) == 3 else [told[0]] * 3 if told else [np.nan] * 3


def draw(axes: Axes, rows: list[list[str]]) -> None:
    """Draw each column of a table: medians as a line, the range behind it."""
    (_, *names), _, *body = rows
    queries = np.array([int(row[0].replace(",", "")) for row in body])
    for column, name in enumerate(names, start=1):
        cells = [row[column] if column < len(row) else "" for row in body]
        middle, low, high = np.array([numbers(cell) for cell in cells]).T
        there = ~np.isnan(middle)
        colour, mark = LOOKS[name]
        axes.plot(queries[there], middle[there], color=colour, marker=mark, label=name)
        axes.fill_between(queries[there], low[there], high[there], color=colour, alpha=0.2)
    axes.set(xscale="log", ylim=(0, 1.02))
    axes.grid(alpha=0.3)


def leaks(path: Path) -> None:
    """Draw a row of panels for each data set, a column for each victim."""
    found = tables((HERE / "surrogates.md").read_text(encoding="utf-8"))
    data, victims = (list(dict.fromkeys(names)) for names in zip(*found, strict=True))
    figure = Figure(figsize=(3.6 * len(victims), 2.6 * len(data)), layout="constrained")
    panels = figure.subplots(len(data), len(victims), squeeze=False, sharex=True, sharey=True)
    for (name, victim), rows in found.items():
        axes = panels[data.index(name), victims.index(victim)]
        draw(axes, rows)
        axes.set_title(f"{name}, {victim}")
    for axes in panels[:, 0]:
        axes.set_ylabel("agreement")
    for axes in panels[-1]:
        axes.set_xlabel("queries")
    panels[0, 0].legend()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    leaks(HERE / "leaks.png")
