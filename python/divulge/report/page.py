"""The report as one HTML file: no script, no font, no picture from anywhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from math import isnan
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.figure import Figure

from divulge import __version__
from divulge.html import template
from divulge.report.runs import COSTS, COUNTS
from divulge.report.verdict import percent
from divulge.surrogate.figures import plot_leaks
from divulge.surrogate.stolen import AGREEMENT, EXPLAINED

if TYPE_CHECKING:
    import pandas as pd

    from divulge.report.result import LeakReport

HEADS = {
    "explanation": "answers",
    "defence": "defence",
    "queries_90": "90%",
    "queries_95": "95%",
    "queries_99": "99%",
    "exact": "exact",
    "best": "best",
    "rank_correlation": "honest user",
    "risk": "risk",
}


def page(report: LeakReport) -> str:
    """Return the whole page."""
    names = report.curves["explanation"].unique()
    return template("divulge.report", "page.html.j2").render(
        victim=report.victim,
        sentences=report.summary(),
        heads=HEADS.values(),
        rows=[shown(row, report.runs) for row in report.table.to_dict("records")],
        figures={name: Markup(picture(report.curves, name, report.measure)) for name in names},
        numbers=report.measure == EXPLAINED,
        measure=report.measure,
        version=__version__,
        seed=report.seed,
    )


def cells(row: Mapping[Any, Any], none: str = "\N{EN DASH}") -> list[str]:
    """Return a row of the report's table as text, in the order of `HEADS`."""
    return [
        row["explanation"],
        row["defence"],
        *(_count(row[count], row[cost], none) for count, cost in zip(COUNTS, COSTS, strict=True)),
        percent(row["best"], 1),
        none if isnan(row["rank_correlation"]) else f"{row['rank_correlation']:.2f}",
        row["risk"],
    ]


def shown(row: Mapping[Any, Any], runs: pd.DataFrame | None) -> list[str]:
    """Return a row as text, with ranges over seeds where there were several."""
    text = cells(row)
    if runs is None or runs["seed"].nunique() == 1:
        return text
    own = runs[(runs["explanation"] == row["explanation"]) & (runs["defence"] == row["defence"])]
    for place, count in enumerate(COUNTS, start=2):
        reached = own[count].dropna()
        if len(reached):
            most = f"{reached.max():,.0f}" if len(reached) == len(own) else "\N{INFINITY}"
            text[place] += f" [{reached.min():,.0f} to {most}]"
    text[6] += f" [{percent(own['best'].min(), 1)} to {percent(own['best'].max(), 1)}]"
    return text


def _count(count: float, cost: float, none: str) -> str:
    """Queries, and the money for them."""
    if isnan(count):
        return none
    return f"{count:,.0f}" if isnan(cost) else f"{count:,.0f} ({cost:,.2f})"


def _identifier(name: str) -> str:
    """A name as part of an id: letters and digits, others by their code."""
    return "".join(letter if letter.isalnum() else f"_{ord(letter)}_" for letter in name)


def picture(curves: pd.DataFrame, explanation: str, measure: str = AGREEMENT) -> str:
    """Return the leak curves of one explanation, a line for each defence, as SVG."""
    of_kind = curves[curves["explanation"] == explanation]
    lines = {str(defence): curve for defence, curve in of_kind.groupby("defence", sort=False)}
    out = StringIO()
    figure = Figure(figsize=(6, 3.6), layout="constrained")  # not one that a notebook would show besides
    plot_leaks(lines, explanation, measure=measure, ax=figure.subplots())
    with rc_context({"svg.hashsalt": explanation}):  # the same ids in every run
        figure.savefig(out, format="svg", metadata={"Date": None})
    svg = out.getvalue()  # of matplotlib's making: text in it is escaped
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{_identifier(explanation)}-", svg[svg.index("<svg") :])
    told = escape(f"{measure} against queries for {explanation} answers: {', '.join(lines)}")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{told}" ', 1)
