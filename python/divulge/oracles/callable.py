"""An oracle made of any callable, such as the client of a remote API."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from divulge.arrays import Array
from divulge.errors import OracleError
from divulge.oracles.base import Domain, Oracle
from divulge.oracles.ledger import whole
from divulge.points import host_array

if TYPE_CHECKING:
    import torch


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
        retries: how often a call is tried again that failed by one of `retry_on`. A batch counts once in the
            ledger, however often it was sent.
        backoff: seconds before the first retry, twice as many before each further one.
        retry_on: which errors are passing ones; others end the conversation at once.

    Raises:
        TypeError: fn cannot be called, or not so.
        ValueError: there is no such output, the domain is empty, the budget negative, the precision
            another, or fn is to return neither values nor gradients.
    """

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
        retries: int = 0,
        backoff: float = 1.0,
        retry_on: tuple[type[Exception], ...] = (OSError, TimeoutError),
    ) -> None:
        import torch

        if not callable(fn):
            raise TypeError(f"expected fn to be callable, got {type(fn).__name__}")
        whole("a number of retries", retries)
        if not 0 <= backoff < math.inf:
            raise ValueError(f"expected a backoff of at least 0 seconds, got {backoff}")
        if dtype not in (None, torch.float32, torch.float64):
            raise ValueError(f"expected a dtype of torch.float32 or torch.float64, got {dtype}")
        if not (values or gradients):
            raise ValueError("expected fn to return values, gradients or both, got neither")
        self.fn = fn if _takes(fn, 2) else _of_points(fn, output_size)
        self._tries = Retrying(
            stop=stop_after_attempt(retries + 1),
            wait=wait_exponential(multiplier=backoff),
            retry=retry_if_exception_type(retry_on),
            reraise=True,
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

    def _call(self, points: Array, output: int) -> Any:
        """Call the function; it may overwrite what it is given."""
        return self.fn(points.copy(), output)

    def _answer(self, points: Array, output: int) -> tuple[ArrayLike | None, ArrayLike | None]:
        answer = self._tries.copy()(self._call, points, output)
        if isinstance(answer, tuple) and len(answer) == 2:
            values, gradients = answer
            return host_array(values), host_array(gradients)
        if self.has_values and self.has_gradients:
            raise OracleError(
                f"expected the callable to return (values, gradients), it returned {type(answer).__name__}; "
                "pass values=False for one that returns gradients alone, gradients=False for values alone"
            )
        return (host_array(answer), None) if self.has_values else (None, host_array(answer))


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
