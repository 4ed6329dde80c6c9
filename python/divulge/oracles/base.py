"""What every oracle has in common: checks, the ledger, and one query method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from operator import index
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from divulge import _core
from divulge.arrays import Array, Index
from divulge.attributions.methods import Attribution, Gradient
from divulge.errors import BudgetExhausted, OracleError
from divulge.oracles.answers import check_gradients, check_values
from divulge.oracles.domain import as_box
from divulge.oracles.explained import Answers
from divulge.oracles.ledger import Ledger
from divulge.points import as_matrix, check_finite
from divulge.training.class_scores import check_class

if TYPE_CHECKING:
    import torch

    from divulge.points import Points

Domain = tuple[ArrayLike, ArrayLike]
Answered = TypeVar("Answered")

# A mistake in the caller's code, not a failure of what is asked.
PROGRAMMING_ERRORS = (TypeError, NameError, AttributeError, ImportError, NotImplementedError)


class Oracle(ABC):
    """What somebody outside may ask of a victim: about one output, its value, its input gradient, or both.

    Args:
        input_size: d, the numbers in one input.
        output_size: K, the victim's outputs, or None where that is not known.
        output: which output a query asks for when it names none.
        dtype: precision in which the victim computes, torch.float32 or torch.float64.
        domain: None for all of R^d, or (low, high), numbers or arrays of shape (d,): a box.
        budget: the most queries that may be asked, or None.
        kind: the name under which the ledger counts these queries.
        has_values: whether an answer holds the value.
        has_gradients: whether an answer holds the input gradient.

    Raises:
        ValueError: one of these cannot be.

    Attributes:
        all_at_once: whether an answer about one output holds the others too: asking for these at the same
            points right after it costs nothing.
        first_logit_hidden: whether the outputs are logits less that of class 0, which is no output.
        attribution: what the gradients are that `explain` returns.
        names_outputs: whether `explain` tells of any output that is named; else of the oracle's own alone.
        knows_top: whether `explain` can tell which class is a point's top one.
        input_shape: how the d numbers of an input are laid out, (C, H, W) of images; empty where not known.
    """

    all_at_once = False
    first_logit_hidden = False
    attribution: Attribution = Gradient()
    names_outputs = True
    knows_top = True
    input_shape: tuple[int, ...] = ()

    def __init__(
        self,
        *,
        input_size: int,
        output_size: int | None,
        output: int = 0,
        dtype: torch.dtype,
        domain: Domain | None = None,
        budget: int | None = None,
        kind: str,
        has_values: bool,
        has_gradients: bool,
    ) -> None:
        self.input_size = _at_least_one("input_size", input_size)
        self.output_size = None if output_size is None else _at_least_one("output_size", output_size)
        self.output = self._check_output(output)
        self.dtype = dtype
        self._box = as_box(domain, self.input_size)
        self.ledger = Ledger(budget=budget)
        self.kind = kind
        self.has_values = has_values
        self.has_gradients = has_gradients

    @property
    def has_explanations(self) -> bool:
        """Whether `explain` returns explanations: gradients, or what is made of them."""
        return self.has_gradients

    @property
    def numbers_per_query(self) -> int:
        """How many numbers an answer holds: a value, a gradient's d, both; of all outputs at once."""
        numbers = int(self.has_values) + int(self.has_gradients) * self.input_size
        return numbers * (self.output_size or 1) if self.all_at_once else numbers

    @property
    def domain(self) -> tuple[Array, Array] | None:
        """None for all of R^d, or the box (low, high), two arrays of shape (d,)."""
        return None if self._box is None else (self._box.low.copy(), self._box.high.copy())

    def query(self, points: Points, output: int | None = None) -> tuple[Array | None, Array | None]:
        """Ask about a batch of points; each counts as one query unless the oracle's class says otherwise.

        Args:
            points: shape (n, d).
            output: which output, or None for the oracle's own.

        Returns:
            Values, shape (n,), None unless `has_values`; gradients, shape (n, d), None unless
            `has_gradients`. Both float64.

        Raises:
            ValueError: the points have another shape, are not finite or lie outside the domain.
            BudgetExhausted: the budget does not cover all n points; nothing was asked.
            OracleError: the answer has another shape, holds NaN or infinity, or the oracle itself failed.
                The queries that were sent count all the same.
            TypeError: or NameError, AttributeError, ImportError, NotImplementedError: the code that answers
                has a mistake; it comes out as it is.
        """
        output = self.output if output is None else self._check_output(output)
        matrix = self._admit(points)
        n = len(matrix)
        values, gradients = self._ask(matrix, output) if n else (np.zeros(0), np.zeros((0, self.input_size)))
        return (
            check_values(values, n) if self.has_values else None,
            check_gradients(gradients, n, self.input_size) if self.has_gradients else None,
        )

    def native(self, output: int) -> _core.Oracle | None:
        """Return an oracle of the compiled core that gives the same answers about an output, or None.

        What is asked of it counts in its own `queries`; who asks charges the ledger for them.
        """
        return None

    def explain(self, points: Points, output: ArrayLike | None = None) -> Answers:
        """Ask what an API returns with a prediction; each point counts as one query unless the class says so.

        Args:
            points: shape (n, d).
            output: which output to explain, a number or shape (n,); None for each point's top class (an
                oracle that does not know the top class takes its own output).

        Raises:
            ValueError: as `query`.
            BudgetExhausted: as `query`.
            OracleError: as `query`.
        """
        matrix = as_matrix(points, self.input_size)
        outputs = None if output is None else self._check_outputs(output, len(matrix))
        return self._explain(self._admit(matrix), outputs)

    def _explain(self, points: Array, outputs: Index | None) -> Answers:
        """Explain points (n, d), already checked and paid for; outputs (n,), or None for the top class."""
        labels = None if outputs is not None else self._top(points)
        named = labels if outputs is None else outputs
        if named is None:
            named = np.full(len(points), self.output)
        values = np.zeros(len(points)) if self.has_values else None
        gradients = np.zeros(points.shape) if self.has_gradients else None
        for output in np.unique(named):
            rows = np.flatnonzero(named == output)
            of_value, of_gradient = self._ask(points[rows], int(output))
            if values is not None:
                values[rows] = check_values(of_value, len(rows))
            if gradients is not None:
                gradients[rows] = check_gradients(of_gradient, len(rows), self.input_size)
        attribution = self.attribution if self.has_gradients else None
        return Answers(points, named, labels, values, None, gradients, attribution)

    def _top(self, points: Array) -> Index | None:
        """The top class of points (n, d) as the API tells it, or None where that is not known."""
        return None

    @abstractmethod
    def _answer(self, points: Array, output: int) -> tuple[ArrayLike | None, ArrayLike | None]:
        """Answer points (n, d), n > 0, already checked and paid for.

        Returns:
            Values (n,) and gradients (n, d); one that the oracle does not offer may be anything.
        """

    def _price(self, n: int) -> int:
        """Return how many queries n points cost."""
        return n

    def _admit(self, points: Points) -> Array:
        """Check points (n, d) and charge for them."""
        matrix = as_matrix(points, self.input_size)
        check_finite(matrix)
        if self._box is not None:
            matrix = self._box.admit(matrix)
        self.ledger.charge(self.kind, self._price(len(matrix)))
        return matrix

    def _ask(self, points: Array, output: int) -> tuple[ArrayLike | None, ArrayLike | None]:
        return self._sent(lambda: self._answer(points, output), len(points))

    def _sent(self, call: Callable[[], Answered], n: int) -> Answered:
        """Return what a call about n points returns.

        What it raises comes out as an OracleError, a mistake in its code as it is.
        """
        try:
            return call()
        except (OracleError, BudgetExhausted, *PROGRAMMING_ERRORS):
            raise
        except Exception as error:
            raise OracleError(f"the oracle failed on {n} points: {type(error).__name__}: {error}") from error

    def _check_outputs(self, output: ArrayLike, n: int) -> Index:
        """Return valid output indices, shape (n,), or raise ValueError."""
        numbers = np.asarray(output)
        if numbers.shape not in {(), (n,)} or numbers.dtype.kind not in "iu":
            raise ValueError(f"expected one output or {n} of them, got {numbers.dtype} {numbers.shape}")
        for number in np.unique(numbers):
            self._check_output(int(number))
        return np.array(np.broadcast_to(numbers, (n,)), np.intp)

    def _check_output(self, output: int) -> int:
        """Return a valid output index, or raise ValueError or TypeError."""
        number = check_class("an output", output)
        if number < 0 or (self.output_size is not None and number >= self.output_size):
            outputs = "unknown" if self.output_size is None else self.output_size
            raise ValueError(f"expected an output from 0 on, of {outputs} outputs, got {number}")
        return number


def _at_least_one(name: str, value: int) -> int:
    """Return a positive whole number, or raise ValueError."""
    number = index(value)
    if number < 1:
        raise ValueError(f"expected {name} of at least 1, got {number}")
    return number
