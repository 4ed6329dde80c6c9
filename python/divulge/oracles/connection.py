"""How an API is called: in batches of its size, no faster than it allows, and again where a call failed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from divulge.arrays import Array
from divulge.oracles.ledger import whole


class Connection:
    """Sends points to a function in batches.

    Args:
        batch: the most points in one call, or None for all at once.
        per_second: the most calls in one second, calls that are tried again too; None for no limit.
        retries: how often a call is tried again that failed by one of `retry_on`.
        backoff: seconds before the first retry, twice as many before each further one. An error with HTTP
            headers (`urllib`, `requests`, `httpx`) that says Retry-After in seconds is waited for so long.
        retry_on: which errors are passing ones.

    Raises:
        ValueError: a batch without a point, a rate that is not positive, or negative retries or backoff.
        TypeError: a batch or retries that are not whole, or a rate that is no number.
    """

    def __init__(
        self,
        *,
        batch: int | None,
        per_second: float | None,
        retries: int,
        backoff: float,
        retry_on: tuple[type[Exception], ...],
    ) -> None:
        whole("a number of retries", retries)
        if not 0 <= backoff < math.inf:
            raise ValueError(f"expected a backoff of at least 0 seconds, got {backoff}")
        if batch is not None and whole("a batch", batch) < 1:
            raise ValueError(f"expected a batch of at least one point, got {batch}")
        if per_second is not None and not 0 < per_second < math.inf:
            raise ValueError(f"expected a positive number of calls per second, got {per_second}")
        self.batch = batch
        self.sent = 0  # points of the latest `send` whose batch was called with, at least once
        self._pause = 0.0 if per_second is None else 1.0 / per_second
        self._next = 0.0
        self._wait = wait_exponential(multiplier=backoff)
        self._tries = Retrying(
            stop=stop_after_attempt(retries + 1),
            wait=self._until_retry,
            retry=retry_if_exception_type(retry_on),
            reraise=True,
        )

    def send(self, call: Callable[[Array], Any], points: Array) -> Iterator[tuple[slice, Any]]:
        """Yield the rows of points (n, d) that each call was about, and what it returned."""
        size = self.batch or max(1, len(points))
        self.sent = 0
        for first in range(0, len(points), size):
            rows = slice(first, min(len(points), first + size))
            yield rows, self._tries.copy()(self._call, call, points, rows)

    def _call(self, call: Callable[[Array], Any], points: Array, rows: slice) -> Any:
        """Wait for the turn of a call about rows, and make it; it may overwrite what it is given."""
        now = time.monotonic()
        if now < self._next:
            time.sleep(self._next - now)
        self._next = max(now, self._next) + self._pause
        self.sent = rows.stop
        return call(points[rows].copy())

    def _until_retry(self, state: RetryCallState) -> float:
        """Seconds before the next try."""
        asked = None if state.outcome is None else retry_after(state.outcome.exception())
        return self._wait(state) if asked is None else asked


def retry_after(error: BaseException | None) -> float | None:
    """Return the seconds that an HTTP error asks to wait, or None where it says nothing of the kind."""
    headers = getattr(error, "headers", None) or getattr(getattr(error, "response", None), "headers", None)
    try:
        seconds = float(headers.get("Retry-After"))  # type: ignore[union-attr]
    except (AttributeError, TypeError, ValueError):
        return None
    return seconds if 0 <= seconds < math.inf else None
