"""An oracle made of any callable, such as the client of a remote API."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from divulge.arrays import Array
from divulge.errors import OracleError
from divulge.oracles.base import Domain, Oracle
from divulge.points import host_array

if TYPE_CHECKING:
    import torch


class CallableOracle(Oracle):
    """Answers by calling a function of the caller's own.

    Args:
        fn: called as fn(points, output) with points a float64 array of shape (n, d) and output an int. It
            returns (values, gradients) of shapes (n,) and (n, d), or the gradients alone with values=False,
            or the values alone with gradients=False. Arrays, CPU or device tensors and nested lists will do.
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

    Raises:
        TypeError: fn cannot be called.
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
    ) -> None:
        import torch

        if not callable(fn):
            raise TypeError(f"expected fn to be callable, got {type(fn).__name__}")
        if dtype not in (None, torch.float32, torch.float64):
            raise ValueError(f"expected a dtype of torch.float32 or torch.float64, got {dtype}")
        if not (values or gradients):
            raise ValueError("expected fn to return values, gradients or both, got neither")
        self.fn = fn
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

    def _answer(self, points: Array, output: int) -> tuple[ArrayLike | None, ArrayLike | None]:
        answer = self.fn(points.copy(), output)  # it may overwrite what it is given
        if isinstance(answer, tuple) and len(answer) == 2:
            values, gradients = answer
            return host_array(values), host_array(gradients)
        if self.has_values and self.has_gradients:
            raise OracleError(
                f"expected the callable to return (values, gradients), it returned {type(answer).__name__}; "
                "pass values=False for one that returns gradients alone, gradients=False for values alone"
            )
        return (host_array(answer), None) if self.has_values else (None, host_array(answer))
