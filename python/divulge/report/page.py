"""The report as one HTML file: no script, no font, no picture from anywhere else."""

from __future__ import annotations

import re
from html import escape
from io import StringIO
from math import isnan
from typing import TYPE_CHECKING

from matplotlib import rc_context

from divulge import __version__
from divulge.surrogate.figures import leak_figure

if TYPE_CHECKING:
    import pandas as pd

    from divulge.report.leaks import LeakReport

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2530; max-width: 60rem; margin: 0 auto;
  padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; text-align: right; border-bottom: 1px solid #d5dbe1; white-space: nowrap; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
figure { margin: 1rem 0; max-width: 40rem; } figure svg { width: 100%; height: auto; }
figcaption, footer { color: #5a6775; }
li { margin: .4rem 0; }
"""
HEADS = {
    "explanation": "answers",
    "defence": "defence",
    "queries_90": "90%",
    "queries_95": "95%",
    "queries_99": "99%",
    "exact": "exact",
    "best": "best",
    "rank_correlation": "honest user",
}


def page(report: LeakReport) -> str:
    """Return the whole page."""
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in report.summary())
    figures = "".join(_figure(report.curves, name) for name in report.curves["explanation"].unique())
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>What the explanations give away</title><style>{STYLE}</style>'
        "</head><body><h1>What the explanations give away</h1>"
        f"<p>{escape(report.victim)}</p><h2>In words</h2><ul>{sentences}</ul>"
        "<h2>Queries until a copy agrees</h2>"
        "<p>On so many of the test inputs copy and model name the same class. "
        "A dash: not within the queries that were tried. Honest user: rank correlation of the explanation "
        f'told with the true one.</p><div class="wide">{_table(report.table)}</div>'
        f"<h2>Leak curves</h2>{figures}"
        f"<footer><p>divulge {escape(__version__)}, seed {report.seed}</p></footer></body></html>\n"
    )


def _table(table: pd.DataFrame) -> str:
    """Return the table."""
    head = "".join(f'<th scope="col">{name}</th>' for name in HEADS.values())
    rows = []
    for row in table.to_dict("records"):
        cells = [escape(row["explanation"]), escape(row["defence"])]
        cells += [_count(row[name]) for name in ("queries_90", "queries_95", "queries_99", "exact")]
        cells += [f"{row['best']:.1%}", _share(row["rank_correlation"])]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _count(number: float) -> str:
    return "&ndash;" if isnan(number) else f"{number:,.0f}"


def _share(number: float) -> str:
    return "&ndash;" if isnan(number) else f"{number:.2f}"


def _identifier(name: str) -> str:
    """A name as part of an id: letters and digits, others by their code."""
    return "".join(letter if letter.isalnum() else f"_{ord(letter)}_" for letter in name)


def _figure(curves: pd.DataFrame, explanation: str) -> str:
    """Return the leak curves of one explanation, a line for each defence, as SVG."""
    of_kind = curves[curves["explanation"] == explanation]
    lines = {str(defence): curve for defence, curve in of_kind.groupby("defence", sort=False)}
    out = StringIO()
    with rc_context({"svg.hashsalt": explanation}):  # the same ids in every run
        leak_figure(lines, explanation).savefig(out, format="svg", metadata={"Date": None})
    svg = out.getvalue()
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{_identifier(explanation)}-", svg[svg.index("<svg") :])
    return f"<figure>{svg}<figcaption>Agreement, {escape(explanation)}</figcaption></figure>"
