"""Rows of a linear model from explanations of one output, and offsets from values."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.oracles import Answers

_TINY = np.finfo(float).tiny


def row_of(told: Answers, reach: Array) -> tuple[Array, float]:
    """Return the row (d,) that explanations of one output agree on best, and how far one is from it at most.

    Explanations are c w, or c w + a with a the same for all: against a mean that is not known, which is taken
    where it leaves less than half of the error.

    Args:
        told: the explanations, n of them.
        reach: how far each number of an input varies, (d,): a slope counts times it, whatever its unit.

    Returns:
        The row, and the largest error relative to the row, times n / (n - 1) as the row is fitted to them;
        infinite for one.
    """
    assert told.explanations is not None
    assert told.attribution is not None
    e, c = told.explanations, told.attribution.factor(told.points)
    assert c is not None
    best = _fitted(c, e, reach)
    moved = c - c.mean(axis=0)
    if len(c) > 2 and np.abs(moved).max(axis=0).min() > 0:
        other = _fitted(moved, e - e.mean(axis=0), reach)
        best = other if other[1] < best[1] / 2 else best
    return best


def _fitted(c: Array, e: Array, reach: Array) -> tuple[Array, float]:
    """The row w (d,) with c w nearest to e, both (n, d), and its error."""
    largest = np.maximum(np.abs(c).max(axis=0), _TINY)
    share = c / largest
    row = (share * e).sum(axis=0) / np.maximum((share**2).sum(axis=0), _TINY) / largest
    if len(c) < 2:
        return row, np.inf
    off = np.linalg.norm((e - c * row) / largest * reach, axis=1).max()
    size = max(float(np.linalg.norm(row * reach)), _TINY)
    return row, float(off / size * len(c) / (len(c) - 1))


def offset_of(row: Array, told: Answers) -> tuple[float, float]:
    """Return b with values = row . x + b, NaN where no values are told, and how far one is at most from that.

    The error is relative to what is added up.
    """
    values = values_of(told)
    if values is None:
        return float("nan"), 0.0
    along = told.points @ row
    offset = float((values - along).mean())
    size = max(float((np.abs(told.points) @ np.abs(row)).max()), float(np.abs(values).max()), _TINY)
    return offset, float(np.abs(along + offset - values).max() / size)


def scaled(row: Array, told: Answers) -> tuple[Array, float]:
    """Return a row that tells a direction as long as values say, and the offset; NaN where there are none.

    Values from 0 to 1 are taken for probabilities where their log-odds are more of a line.
    """
    values = values_of(told)
    if values is None:
        return row, float("nan")
    along = told.points @ row
    if values.min() >= 0 and values.max() <= 1:
        inside = (values > 0) & (values < 1)  # 0 and 1 tell no log-odds
        odds = np.log(values[inside] / (1 - values[inside]))
        if _line(along[inside], odds) > _line(along, values):
            along, values = along[inside], odds
    if len(values) < 2 or not np.ptp(along):
        return row, float("nan")
    length, offset = np.polyfit(along, values, 1)
    return row * length, float(offset)


def values_of(told: Answers) -> Array | None:
    """Return the values (n,) of what is explained, its probabilities where these are told, or None."""
    if told.probabilities is not None:
        return told.probabilities[np.arange(len(told)), told.outputs]
    return told.values


def _line(along: Array, values: Array) -> float:
    """How much of a line values are, from 0 to 1."""
    if len(along) < 3 or not np.ptp(along) or not np.ptp(values):
        return 0.0
    return float(abs(np.corrcoef(along, values)[0, 1]))
