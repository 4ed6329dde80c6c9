"""Which samples each step of a training run sees, and how far it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Rates", "drawn_batches", "given_batches", "read_rates"]

Rates = float | Sequence[float] | Callable[[int], float]


def drawn_batches(rows: int, batch_size: int, epochs: int, seed: int) -> list[NDArray[np.int64]]:
    """Return the rows of each step: every epoch all samples once, in an order of its own.

    The last batch of an epoch may be smaller; its loss is the mean over as many samples as it has.

    Raises:
        ValueError: a number that is not whole and above 0.
    """
    for name, number in (("batch_size", batch_size), ("epochs", epochs)):
        if not _is_whole(number) or number < 1:
            raise ValueError(f"expected {name} as a whole number of at least 1, got {number!r}")
    if not _is_whole(seed) or seed < 0:
        raise ValueError(f"expected seed as a whole number of at least 0, got {seed!r}")
    rng = np.random.default_rng(seed)
    steps = []
    for _ in range(epochs):
        order = rng.permutation(rows)
        steps += [order[begin : begin + batch_size] for begin in range(0, rows, batch_size)]
    return steps


def given_batches(batches: Sequence[ArrayLike], rows: int) -> list[NDArray[np.int64]]:
    """Return batches that were told, checked; a sample may be in a batch several times.

    Raises:
        ValueError: none, an empty one, or rows that there are not.
    """
    if not isinstance(batches, Iterable):
        raise ValueError(f"expected batches as the row numbers of each step, got {batches!r}")
    steps = [np.asarray(batch) for batch in batches]
    if not steps:
        raise ValueError("expected at least one batch, got none")
    for number, batch in enumerate(steps):
        if batch.ndim != 1 or not len(batch) or batch.dtype.kind not in "iu":
            raise ValueError(
                f"expected batch {number} as row numbers of shape (b,), "
                f"got {batch.dtype} of shape {batch.shape}"
            )
        wrong = batch[(batch < 0) | (batch >= rows)]
        if len(wrong):
            raise ValueError(f"expected rows from 0 to {rows - 1} in batch {number}, got {wrong[0]}")
    return [batch.astype(np.int64) for batch in steps]


def read_rates(rates: Rates, steps: int) -> list[float]:
    """Return the learning rate of each step: a number for all, one each, or a function of the step from 0 on.

    Raises:
        ValueError: another number of them than of steps, or one that is negative or not finite.
    """
    if callable(rates):
        found: list[Any] = [rates(step) for step in range(steps)]
    else:
        several = isinstance(rates, Iterable) and getattr(rates, "ndim", True)  # arrays of none are one
        found = list(rates) if several else [rates] * steps  # type: ignore[arg-type]
    if len(found) != steps:
        raise ValueError(f"expected a learning rate for each of {steps} steps, got {len(found)}")
    for step, rate in enumerate(found):
        number = isinstance(rate, Real) and not isinstance(rate, (bool, np.bool_))
        if not number or not 0 <= rate < float("inf"):
            raise ValueError(f"expected a learning rate of at least 0, got {rate!r} at step {step}")
    return [float(rate) for rate in found]


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
