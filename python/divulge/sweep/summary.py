"""A sweep's rows, summed up by combination."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MEASURED = (
    "queries", "hidden_units", "complete", "certificate", "max_output_error", "agreement", "accuracy",
    "gradient_cosine", "seconds",
)  # fmt: skip
_NO_SETTINGS = {"key", "seed", "victim_content", "error", "hidden_units_true", *MEASURED}


def settings_that_vary(table: pd.DataFrame) -> list[str]:
    """Return the settings that differ between rows, seeds aside; the victim where none does."""
    names = [name for name in table.columns if name not in _NO_SETTINGS]
    return [name for name in names if table[name].nunique(dropna=False) > 1] or ["victim"]


def summary(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return one row a combination: runs, failures, and the median of what was measured.

    `complete` is the share of the runs that were.
    """
    import pandas as pd

    rows = []
    for values, group in table.groupby(by, sort=False, dropna=False):
        row = {
            **dict(zip(by, values, strict=True)),
            "runs": len(group),
            "failed": int((group["error"] != "").sum()),
        }
        for name in (name for name in MEASURED if name in group):
            numbers = group[name].dropna().astype(float)
            if len(numbers):
                row[name] = float(numbers.mean() if name == "complete" else numbers.median())
        rows.append(row)
    return pd.DataFrame(rows)
