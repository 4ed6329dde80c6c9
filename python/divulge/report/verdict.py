"""The verdict: a risk class by a rule that is printed, and which answer to return."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, inf, isnan
from typing import TYPE_CHECKING, Any

from divulge.surrogate.stolen import EXPLAINED

if TYPE_CHECKING:
    import pandas as pd

RISK_RULE = (
    "Risk, by what copies reached within the queries that were tried: critical where the model was rebuilt "
    "exactly or copied to 99% agreement, high to 95%, medium to 90%, low where not even that. Low says "
    "nothing of attacks that ask more or otherwise"
)
RISKS = ("low", "medium", "high", "critical")
FAITHFUL = 0.8  # rank correlation from which on an explanation still serves an honest user


def risk(row: Mapping[Any, Any]) -> str:
    """Return the risk class of a row of a report's table, by `RISK_RULE`."""
    if not isnan(row["exact"]) or not isnan(row["queries_99"]):
        return "critical"
    if not isnan(row["queries_95"]):
        return "high"
    return "low" if isnan(row["queries_90"]) else "medium"


def recommendation(table: pd.DataFrame) -> str:
    """Return a sentence that names the explanation to return, and the trade-off.

    Of the explanations that keep a rank correlation of 0.8 with the true ones it is the one of least risk, of
    these the one whose copies need most queries to be exact, then to 95%, then to 90%, then agree least;
    without one the best of what else is told. Where that is of critical risk, none is said to be safe.
    """
    rows: list[dict[Any, Any]] = table.to_dict("records")
    explained = [row for row in rows if not isnan(row["rank_correlation"])]
    useful = [row for row in explained if row["rank_correlation"] >= FAITHFUL]
    if explained and not useful:
        return (
            f"No explanation that was compared keeps a rank correlation of {FAITHFUL} with the true one: "
            f"behind these defences honest users lose them. {_plain(rows)}"
        )
    chosen = max(useful or rows, key=_hardness)
    if not useful:
        return _plain(rows)
    said = _chosen(chosen, "no explanation that serves an honest user is safe")
    said += f"; honest users keep a rank correlation of {chosen['rank_correlation']:.2f}"
    same = [row for row in explained if row["explanation"] == chosen["explanation"]]
    bare = next((row for row in same if row["defence"] == "none"), chosen)
    if bare is not chosen:
        said += f", where without the defence {takes(bare)} and they have {bare['rank_correlation']:.2f}"
    labels = [row for row in rows if row["explanation"] == "label" and row["defence"] == "none"]
    if labels:
        said += f". The trade-off: with labels alone {takes(labels[0])}, and nobody is told why"
    return said + "."


def _plain(rows: list[dict[Any, Any]]) -> str:
    """What to return where no explanation serves."""
    others = [row for row in rows if isnan(row["rank_correlation"])]
    if not others:
        return "Nothing else was compared."
    chosen = max(others, key=_hardness)
    return f"{_chosen(chosen, 'no answer without an explanation is safe')}."


def _chosen(row: Mapping[Any, Any], unsafe: str) -> str:
    """Name what to return; where even that is critical, say that it is not safe."""
    if risk(row) == "critical":
        return f"Recommendation: {unsafe}; hardest to copy are {named(row)}, risk critical: {takes(row)}"
    return f"Recommendation: return {named(row)}, risk {risk(row)}: {takes(row)}"


def _hardness(row: Mapping[Any, Any]) -> tuple[float, ...]:
    """What grows with the trouble of whoever copies."""
    reached = [inf if isnan(row[name]) else row[name] for name in ("exact", "queries_95", "queries_90")]
    correlation = row["rank_correlation"]
    safety = -RISKS.index(risk(row))
    return (safety, *reached, -row["best"], 0.0 if isnan(correlation) else correlation)


def named(row: Mapping[Any, Any]) -> str:
    """Say what is told."""
    behind = "" if row["defence"] == "none" else f" behind {row['defence']}"
    return f"{row['explanation']} answers{behind}"


def reach(row: Mapping[Any, Any], share: str) -> str:
    """Say what a copy reaches: a share of agreement, or of the variance of numbers that are predicted."""
    return f"{share} of the variance" if row.get("measure") == EXPLAINED else f"{share} agreement"


def at_most(row: Mapping[Any, Any], verb: str = "agree") -> str:
    """Say how far copies, or one with the verb "agrees", come at best."""
    if row.get("measure") != EXPLAINED:
        return f"{verb} on at most {percent(row['best'])}"
    s = verb.removeprefix("agree")
    if row["best"] <= 0:
        return f"explain{s} none of the variance"
    return f"explain{s} at most {percent(row['best'])} of the variance"


def rule(table: pd.DataFrame) -> str:
    """Return the rule of the risk classes, for what a table measures."""
    return RISK_RULE.replace("99% agreement", reach(table.iloc[0].to_dict(), "99%"))


def takes(row: Mapping[Any, Any]) -> str:
    """How far copies come, in words."""
    if not isnan(row["exact"]):
        return f"copies are exact after {row['exact']:,.0f} queries"
    if not isnan(row["queries_95"]):
        return f"copies reach {reach(row, '95%')} with about {row['queries_95']:,.0f} queries"
    return f"copies {at_most(row)}"


def percent(share: float, digits: int = 0) -> str:
    """Return percents, rounded down: 94.9% are not the 95% that were missed."""
    scale = 10**digits
    return f"{floor(100 * scale * share + 1e-9) / scale:.{digits}f}%"
