"""What every oracle has in common: checks, the ledger, and one query method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from operator import index
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from divulge.errors import BudgetExhausted, OracleError
from divulge.oracles.domain import as_box
from divulge.oracles.ledger import Ledger
from divulge.points import as_matrix, check_finite, first_non_finite

if TYPE_CHECKING:
    import torch

    from divulge.points import Points

Array = NDArray[np.float64]
Domain = tuple[ArrayLike, ArrayLike]


class Oracle(ABC):
    """What somebody outside may ask of a victim: values and input gradients of one output.

    Args:
        input_size: d, the numbers in one input.
        output_size: K, the victim's outputs, or None where that is not known.
        output: which output a query asks for when it names none.
        dtype: precision in which the victim computes, torch.float32 or torch.float64.
        domain: None for all of R^d, or (low, high), numbers or arrays of shape (d,): a box.
        budget: the most queries that may be asked, or None.
        kind: the name under which the ledger counts these queries.
        has_values: whether an answer holds the value besides the gradient.

    Raises:
        ValueError: one of these cannot be.
    """

    def __init__(
        self,
        *,
        input_size: int,
        output_size: int | None,
        output: int = 0,
        dtype: torch.dtype,
        domain: Domain | None = None,
        budget: int | None = None,
        kind: str = "gradient",
        has_values: bool = True,
    ) -> None:
        self.input_size = _at_least_one("input_size", input_size)
        self.output_size = None if output_size is None else _at_least_one("output_size", output_size)
        self.output = self._check_output(output)
        self.dtype = dtype
        self._box = as_box(domain, self.input_size)
        self.ledger = Ledger(budget)
        self.kind = kind
        self.has_values = has_values

    @property
    def domain(self) -> tuple[Array, Array] | None:
        """None for all of R^d, or the box (low, high), two arrays of shape (d,)."""
        return None if self._box is None else (self._box.low.copy(), self._box.high.copy())

    def query(self, points: Points, output: int | None = None) -> tuple[Array | None, Array]:
        """Ask about a batch of points; each counts as one query.

        Args:
            points: shape (n, d).
            output: which output, or None for the oracle's own.

        Returns:
            Values, shape (n,), or None where the oracle gives none; gradients, shape (n, d). Both float64.

        Raises:
            ValueError: the points have another shape, are not finite or lie outside the domain.
            BudgetExhausted: fewer than n queries remain; nothing was asked.
            OracleError: the answer has another shape, holds NaN or infinity, or the oracle itself failed.
                The queries count all the same: they were sent.
        """
        output = self.output if output is None else self._check_output(output)
        matrix = as_matrix(points, self.input_size)
        check_finite(matrix)
        if self._box is not None:
            matrix = self._box.admit(matrix)
        self.ledger.charge(self.kind, len(matrix))
        if not len(matrix):
            return (np.zeros(0) if self.has_values else None), np.zeros((0, self.input_size))
        values, gradients = self._ask(matrix, output)
        return self._check_values(values, len(matrix)), self._check_gradients(gradients, len(matrix))

    @abstractmethod
    def _answer(self, points: Array, output: int) -> tuple[ArrayLike | None, ArrayLike]:
        """Answer points (n, d), already checked and paid for: values (n,) or None, gradients (n, d)."""

    def _ask(self, points: Array, output: int) -> tuple[ArrayLike | None, ArrayLike]:
        """Call `_answer`; whatever it raises comes out as an OracleError."""
        try:
            return self._answer(points, output)
        except (OracleError, BudgetExhausted):
            raise
        except Exception as error:
            raise OracleError(
                f"the oracle failed on {len(points)} points: {type(error).__name__}: {error}"
            ) from error

    def _check_output(self, output: int) -> int:
        """Return a valid output index, or raise ValueError."""
        number = index(output)
        if number < 0 or (self.output_size is not None and number >= self.output_size):
            outputs = "unknown" if self.output_size is None else self.output_size
            raise ValueError(f"expected an output from 0 on, of {outputs} outputs, got {number}")
        return number

    def _check_values(self, values: ArrayLike | None, n: int) -> Array | None:
        """Return finite values of shape (n,), or None where this oracle gives none."""
        if not self.has_values:
            return None
        array = _real_array("values", values)
        if array.shape not in {(n,), (n, 1)}:
            raise OracleError(f"expected values of shape ({n},), the oracle returned {array.shape}")
        array = array.reshape(n)
        found = first_non_finite(array[:, None])
        if found is not None:
            raise OracleError(f"the oracle returned the value {found[2]} for point {found[0]} of {n}")
        return array

    def _check_gradients(self, gradients: ArrayLike, n: int) -> Array:
        """Return finite gradients of shape (n, d)."""
        array = _real_array("gradients", gradients)
        if array.shape != (n, self.input_size):
            raise OracleError(
                f"expected gradients of shape ({n}, {self.input_size}), the oracle returned {array.shape}"
            )
        found = first_non_finite(array)
        if found is not None:
            row, column, value = found
            raise OracleError(
                f"the oracle returned a gradient with {value} at coordinate {column} for point {row} of {n}"
            )
        return array


def _at_least_one(name: str, value: int) -> int:
    """Return a positive whole number, or raise ValueError."""
    number = index(value)
    if number < 1:
        raise ValueError(f"expected {name} of at least 1, got {number}")
    return number


def _real_array(name: str, answer: ArrayLike | None) -> Array:
    """Return one part of an answer as float64, or raise OracleError."""
    if answer is None:
        raise OracleError(f"expected {name} in the answer, the oracle returned None")
    try:
        array = np.asarray(answer)
        if array.dtype.kind not in "buif":
            raise TypeError(f"dtype {array.dtype}")
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise OracleError(f"expected {name} that are real numbers, the oracle returned {error}") from error
