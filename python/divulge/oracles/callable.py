"""An oracle made of any callable, such as the client of a remote API."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.arrays import Array
from divulge.errors import OracleError
from divulge.oracles.answer_cache import AnswerCache
from divulge.oracles.answers import check_gradients, check_values
from divulge.oracles.base import Domain, Oracle
from divulge.oracles.connection import Connection
from divulge.oracles.journal import Settings, settings_of
from divulge.oracles.ledger import Ledger
from divulge.points import as_matrix, check_finite, host_array

if TYPE_CHECKING:
    import torch

    from divulge.points import Points


class CallableOracle(Oracle):
    """Answers by calling a function of the caller's own.

    Args:
        fn: called as fn(points, output) with points a float64 array of shape (n, d) and output an int, or as
            fn(points) where it takes no more and there is one output. It returns (values, gradients) of
            shapes (n,) and (n, d), or the gradients alone with values=False, or the values alone with
            gradients=False. Arrays, CPU or device tensors and nested lists will do.
        input_size: d.
        output_size: K, or None where it is not known.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        output: which output a query asks for when it names none.
        values: whether fn returns values.
        gradients: whether fn returns gradients.
        dtype: precision in which the model behind fn computes; torch.float64 if None.
        kind: the name under which the ledger counts these queries; if None "gradient", or "value" where fn
            returns no gradients.
        batch: the most points in one call, or None for all at once.
        per_second: the most calls in one second, repeated ones too; None for no limit.
        retries: how often a call is tried again that failed by one of `retry_on`. A batch counts once in the
            ledger, however often it was sent; one that was never sent, as others failed before, not at all.
        backoff: seconds before the first retry, twice as many before each further one; where an HTTP error
            says Retry-After in seconds, these.
        retry_on: which errors are passing ones; others end the conversation at once.
        cache: a file that keeps every batch of answers as it comes; made where there is none. What it answers
            is not asked again, in this process or another, and is not charged: after a crash the same call
            goes on where it ended. A model that changes behind fn is not noticed: take another file for
            it. By default repeated questions are asked again.
        price: money for one query, which the ledger adds up; None where nothing is said of it.

    Raises:
        TypeError: fn cannot be called, or not so.
        ValueError: there is no such output, the domain is empty, the budget or price negative, a batch or
            rate not positive, the precision another, or fn is to return neither values nor gradients.
        CheckpointError: the cache is damaged, or of another oracle; it stays as it is.
        OSError: the cache cannot be read or made.
    """

    knows_top = False

    def __init__(
        self,
        fn: Callable[[Array, int], Any],
        input_size: int,
        *,
        output_size: int | None = 1,
        domain: Domain | None = None,
        budget: int | None = None,
        output: int = 0,
        values: bool = True,
        gradients: bool = True,
        dtype: torch.dtype | None = None,
        kind: str | None = None,
        batch: int | None = None,
        per_second: float | None = None,
        retries: int = 0,
        backoff: float = 1.0,
        retry_on: tuple[type[Exception], ...] = (OSError, TimeoutError),
        cache: str | Path | None = None,
        price: float | None = None,
    ) -> None:
        import torch

        if not callable(fn):
            raise TypeError(f"expected fn to be callable, got {type(fn).__name__}")
        if dtype not in (None, torch.float32, torch.float64):
            raise ValueError(f"expected a dtype of torch.float32 or torch.float64, got {dtype}")
        if not (values or gradients):
            raise ValueError("expected fn to return values, gradients or both, got neither")
        self.fn = fn if _takes(fn, 2) else _of_points(fn, output_size)
        self._connection = Connection(
            batch=batch, per_second=per_second, retries=retries, backoff=backoff, retry_on=retry_on
        )
        super().__init__(
            input_size=input_size,
            output_size=output_size,
            output=output,
            dtype=torch.float64 if dtype is None else dtype,
            domain=domain,
            budget=budget,
            kind=kind or ("gradient" if gradients else "value"),
            has_values=values,
            has_gradients=gradients,
        )
        self.ledger = Ledger(budget=budget, price=price)
        self._cache = None if cache is None else AnswerCache(Path(cache), self._about())

    def _about(self) -> Settings:
        """What tells this oracle's answers from others; each output's are kept apart."""
        about = settings_of(self)
        return {name: value for name, value in about.items() if name not in ("domain", "output")}

    def _admit(self, points: Points) -> Array:
        """Check points (n, d), and charge for them where none can be known already."""
        if self._cache is None:
            return super()._admit(points)
        matrix = as_matrix(points, self.input_size)
        check_finite(matrix)
        return matrix if self._box is None else self._box.admit(matrix)

    def _answer(self, points: Array, output: int) -> tuple[Array | None, Array | None]:
        rows = self._fetched(points, output)
        values = rows[:, 0] if self.has_values else None
        return values, rows[:, int(self.has_values) :] if self.has_gradients else None

    def _fetched(self, points: Array, output: int) -> Array:
        """Answers as `_numbers` returns them, shape (n, numbers in an answer), of points (n, d), n > 0."""
        cache = self._cache
        fresh = slice(None) if cache is None else cache.unknown(points, output)
        asked, parts = points[fresh], []
        if cache is not None:
            self.ledger.charge(self.kind, len(asked))
        try:
            for rows, told in self._connection.send(lambda batch: self.fn(batch, output), asked):
                part = self._numbers(told, rows.stop - rows.start)
                if cache is None:
                    parts.append(part)
                else:
                    cache.keep(asked[rows], output, part)
        except BaseException:
            # the batch that failed was sent and counts, those after it were not
            self.ledger.release(self.kind, len(asked) - self._connection.sent)
            raise
        return np.concatenate(parts) if cache is None else cache.answers(points, output)

    def _numbers(self, told: Any, n: int) -> Array:
        """Check what fn returned about n points; values and gradients side by side, shape (n, 1 + d)."""
        if isinstance(told, tuple) and len(told) == 2:
            values, gradients = told
        elif self.has_values and self.has_gradients:
            raise OracleError(
                f"expected the callable to return (values, gradients), it returned {type(told).__name__}; "
                "pass values=False for one that returns gradients alone, gradients=False for values alone"
            )
        else:
            values = gradients = told
        parts = []
        if self.has_values:
            parts.append(check_values(host_array(values), n)[:, None])
        if self.has_gradients:
            parts.append(check_gradients(host_array(gradients), n, self.input_size))
        return np.concatenate(parts, axis=1)


def has_parameter(fn: Callable[..., Any], name: str) -> bool:
    """Whether fn says that it has a parameter of a name."""
    try:
        return callable(fn) and name in inspect.signature(fn).parameters
    except (TypeError, ValueError):
        return False


def _takes(fn: Callable[..., Any], count: int) -> bool:
    """Whether fn can be called with so many positional arguments; where it does not say, it can."""
    try:
        call = inspect.signature(fn)
    except (TypeError, ValueError):
        return True
    try:
        call.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _of_points(fn: Callable[..., Any], output_size: int | None) -> Callable[[Array, int], Any]:
    """Return fn(points) as a function of points and output."""
    if output_size != 1 or not _takes(fn, 1):
        alone = " or fn(points)" if output_size == 1 else ""
        raise TypeError(
            f"expected fn to be called as fn(points, output){alone}, it takes {inspect.signature(fn)}"
        )
    return lambda points, output: fn(points)
