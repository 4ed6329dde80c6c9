"""What a report's table says, in plain sentences."""

from __future__ import annotations

from math import isnan, nan
from typing import TYPE_CHECKING, Any

from divulge.report.verdict import at_most, named, percent, reach

if TYPE_CHECKING:
    import pandas as pd


TRIED = "with the queries that were tried"
ATTACKS = (
    "Beside copies that learn, which the leak curves show, the attack that fits the kind of model was tried, "
    "as if whoever asks knew that kind; the table counts it where it does better"
)


def sentences(table: pd.DataFrame) -> list[str]:
    """Return a sentence for each explanation as it is and for each defence."""
    rows: list[dict[Any, Any]] = table.to_dict("records")
    bare = {row["explanation"]: row for row in rows if row["defence"] == "none"}
    said = [_bare(row, bare.get("label")) for row in bare.values()]
    said += [_defended(row, bare.get(row["explanation"])) for row in rows if row["defence"] != "none"]
    return said


def tried(table: pd.DataFrame) -> list[str]:
    """Return what is to say of attacks: how they are chosen, and what kept which from being exact."""
    told = [row for row in table.to_dict("records") if row["attack"]]
    if not told:
        return []
    failed = [f"Of {named(row)} {row['attack']}." for row in told if "is not exact" in row["attack"]]
    return [f"{ATTACKS}.", *failed]


def _bare(row: dict[str, Any], label: dict[str, Any] | None) -> str:
    """An explanation without a defence."""
    name = row["explanation"]
    if isnan(row["queries_95"]):
        said = f"Who gets {name} answers {at_most(row, 'agrees')}, {TRIED}."
    else:
        said = f"Who gets {name} answers copies the model to {reach(row, '95%')}"
        said += f" with about {row['queries_95']:.0f} queries"
        if label is not None and name != "label" and not isnan(label["queries_95"]):
            said += f", {compared(label['queries_95'] / row['queries_95'])} with labels alone"
        elif label is not None and name != "label":
            said += f"; labels alone do not reach that, {TRIED}"
        said += "."
    if not isnan(row["exact"]):
        said += f" With {row['exact']:.0f} queries it is rebuilt exactly."
    return said


def compared(factor: float) -> str:
    """Say how many times fewer queries are needed, or more."""
    if factor >= 1.05:
        return f"{factor:.1f} times fewer than"
    return f"{1 / factor:.1f} times more than" if factor <= 1 / 1.05 else "as many as"


def _defended(row: dict[str, Any], bare: dict[str, Any] | None) -> str:
    """An explanation behind a defence."""
    said = f"Behind the defence {row['defence']}, {row['explanation']} answers "
    if isnan(row["queries_95"]):
        said += f"give at most {reach(row, percent(max(0.0, row['best'])))}, {TRIED}"
    elif bare is None or isnan(bare["queries_95"]):
        said += f"give {reach(row, '95%')} with about {row['queries_95']:.0f} queries"
    else:
        factor = row["queries_95"] / bare["queries_95"]
        said += (
            "are copied as fast as without it"
            if 1 / 1.2 < factor < 1.2
            else f"are copied with {1 / factor:.1f} times fewer queries than without it"
            if factor < 1
            else f"take {factor:.1f} times as many queries to copy"
        )
    if not isnan(row["exact"]):
        said += f", and {row['exact']:.0f} queries still rebuild the model exactly"
    if not isnan(row["rank_correlation"]):
        said += "; what an honest user sees has a rank correlation of "
        said += f"{row['rank_correlation']:.2f} with the truth"
    if not isnan(row.get("epsilon", nan)):
        said += f"; as many answers as were tried spend epsilon {row['epsilon']:.3g}"
    return said + "."
