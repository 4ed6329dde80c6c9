"""Means and confidence intervals of repeated trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.arrays import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["paired_interval", "pairs_interval", "summarise"]


def summarise(runs: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Return one row a level of what `diffroar_runs` returned; for the columns see `diffroar`.

    Raises:
        ValueError: a confidence not between 0 and 1.
    """
    import pandas as pd

    if not 0 < confidence < 1:
        raise ValueError(f"expected a confidence between 0 and 1, got {confidence}")
    rows = []
    for k, part in runs.groupby("k", sort=False):
        powers = {
            key: group.sort_values("run")["accuracy"].to_numpy(float)
            for key, group in part.groupby(["ranking", "keep"])
        }
        row: dict[str, Any] = {
            "level": part["level"].iloc[0],
            "k": k,
            "runs": part["run"].nunique(),
            "model": part.groupby("run")["model"].first().mean(),
            "top": powers["attribution", "top"].mean(),
            "bottom": powers["attribution", "bottom"].mean(),
            **_intervals("diffroar", "", powers, "attribution", confidence),
        }
        if ("random", "top") in powers:
            row |= _intervals("random", "random_", powers, "random", confidence)
        rows.append(row)
    frame: pd.DataFrame = pd.DataFrame(rows)
    return frame


def _intervals(
    name: str, prefix: str, powers: dict[Any, Array], ranking: str, confidence: float
) -> dict[str, float]:
    """Return the mean difference of top and bottom with both intervals."""
    top, bottom = powers[ranking, "top"], powers[ranking, "bottom"]
    low, high = paired_interval(top - bottom, confidence)
    pairs_low, pairs_high = pairs_interval(top, bottom, confidence)
    return {
        name: float((top - bottom).mean()),
        f"{prefix}low": low,
        f"{prefix}high": high,
        f"{prefix}pairs_low": pairs_low,
        f"{prefix}pairs_high": pairs_high,
    }


def paired_interval(differences: Array, confidence: float = 0.95) -> tuple[float, float]:
    """Return Student's confidence interval of the mean of differences (n,), NaN for a single one."""
    n = len(differences)
    if n < 2:
        return float("nan"), float("nan")
    half = _quantile(confidence, n - 1) * differences.std(ddof=1) / np.sqrt(n)
    return float(differences.mean() - half), float(differences.mean() + half)


def pairs_interval(first: Array, second: Array, confidence: float = 0.95) -> tuple[float, float]:
    """Return Welch's confidence interval of the mean of a - b over all pairs of first (n,) and second (m,).

    The mean over the n m pairs is the difference of the two means, with variance s_a^2 / n + s_b^2 / m.
    """
    if min(len(first), len(second)) < 2:
        return float("nan"), float("nan")
    mean = float(first.mean() - second.mean())
    a, b = first.var(ddof=1) / len(first), second.var(ddof=1) / len(second)
    if a + b == 0:
        return mean, mean
    freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
    half = _quantile(confidence, freedom) * float(np.sqrt(a + b))
    return mean - half, mean + half


def _quantile(confidence: float, freedom: float) -> float:
    """Return Student's quantile of a two-sided interval."""
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, freedom))
