"""One output of an oracle: the one place from which an attack asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from divulge import _core
from divulge.arrays import Array
from divulge.errors import BudgetExhausted, OracleError
from divulge.reconstruction.asking.stopped import Stopped

if TYPE_CHECKING:
    from divulge.oracles import Oracle


class AskedOutput:
    """One output of an oracle, asked about points as the victim's precision holds them.

    Attributes:
        input_size: d.
        domain: None for all of R^d, or (low, high), shape (d,) each.
        single: whether the victim computes in single precision.
        rounding: relative spacing of the numbers of that precision.
        tells_values: whether an answer holds the value.
        tells_gradients: whether an answer holds the gradient.
        all_at_once: whether it holds the other outputs', too.
    """

    def __init__(self, oracle: Oracle, output: int) -> None:
        self._oracle = oracle
        self._output = output
        self.input_size = oracle.input_size
        self.domain = oracle.domain
        self.single = oracle.dtype == torch.float32
        self.rounding = float(torch.finfo(oracle.dtype).eps)
        self.tells_values = oracle.has_values
        self.tells_gradients = oracle.has_gradients
        self.all_at_once = oracle.all_at_once

    def representable(self, points: Array) -> Array:
        """Return the points as the victim's own precision holds them, those beyond a box moved to its edge.

        A step to the other side of a hyperplane may end a little outside.
        """
        if self.domain is not None:
            points = np.clip(points, *self.domain)
        return points.astype(np.float32).astype(np.float64) if self.single else points

    def affordable(self, count: int) -> int:
        """Return how many of so many points the budget covers."""
        remaining = self._oracle.ledger.remaining
        return count if remaining is None else min(count, remaining)

    def native(self) -> _core.RecordingOracle | None:
        """Return what the compiled core asks without passing through Python, or None where it cannot."""
        native = self._oracle.native(self._output)
        if native is None:
            return None
        return _core.RecordingOracle(native, self._oracle.ledger.remaining)

    def charge(self, queries: int) -> None:
        """Count queries that the compiled core asked."""
        self._oracle.ledger.charge(self._oracle.kind, queries)

    def query(self, points: Array) -> tuple[Array | None, Array | None]:
        """Return values (n,) and gradients (n, d) at points (n, d); None where they are not told.

        Raises:
            Stopped: the budget does not cover the points, and none was asked, or the oracle fails.
        """
        try:
            return self._oracle.query(points, self._output)
        except BudgetExhausted as error:
            raise self.spent() from error
        except OracleError as error:
            raise Stopped(str(error)) from error

    def explained(self, points: Array) -> Array:
        """Return what explanations at points (n, d) are multiples of, number by number, shape (n, d).

        Raises:
            Stopped: the budget does not cover the points, and none was asked, or the oracle fails.
        """
        try:
            told = self._oracle.explain(points, self._output)
        except BudgetExhausted as error:
            raise self.spent() from error
        except OracleError as error:
            raise Stopped(str(error)) from error
        assert told.attribution is not None
        factor = told.attribution.factor(points)
        assert told.explanations is not None
        assert factor is not None
        return np.asarray(told.explanations / np.where(factor == 0, 1.0, factor))

    def ended(self, message: str) -> Stopped:
        """Return what is to be raised where the compiled core could ask no further."""
        return Stopped(message) if self._oracle.ledger.budget is None else self.spent()

    def spent(self) -> Stopped:
        """Return what is to be raised where the budget ends."""
        return Stopped(f"the budget of {self._oracle.ledger.budget} queries is spent")
