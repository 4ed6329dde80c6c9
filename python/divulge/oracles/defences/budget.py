"""A limit on the number of queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from divulge.arrays import Array
from divulge.errors import BudgetExhausted
from divulge.oracles.base import Oracle
from divulge.oracles.defences.base import Defence
from divulge.oracles.ledger import Ledger, whole

if TYPE_CHECKING:
    from divulge.points import Points


class Budget(Defence):
    """Answers so many queries and no more; a batch that goes beyond is refused whole.

    Args:
        oracle: what is defended.
        queries: how many it answers from now on.

    Raises:
        ValueError: less than no query.
    """

    def __init__(self, oracle: Oracle, queries: int) -> None:
        super().__init__(oracle)
        self._capped = CappedLedger(oracle.ledger, whole("a budget", queries))
        self.ledger = self._capped

    def _admit(self, points: Points) -> Array:
        matrix = super()._admit(points)
        self._capped.allow(self._price(len(matrix)))
        return matrix


class CappedLedger(Ledger):
    """Another ledger seen from behind a limit; what is charged is charged there.

    Args:
        ledger: the other one.
        limit: the most queries that may come from now on.
    """

    def __init__(self, ledger: Ledger, limit: int) -> None:
        super().__init__(budget=limit)
        self._ledger = ledger
        self._before = ledger.total

    @property
    def total(self) -> int:
        """Queries charged so far, of all kinds."""
        return self._ledger.total

    @property
    def by_kind(self) -> dict[str, int]:
        """Queries charged so far for each kind of answer (a copy)."""
        return self._ledger.by_kind

    @property
    def remaining(self) -> int:
        """Queries that both limits still allow."""
        assert self._budget is not None
        mine = self._budget - (self._ledger.total - self._before)
        return mine if self._ledger.remaining is None else min(mine, self._ledger.remaining)

    @property
    def price(self) -> float | None:
        """Money for one query, or None."""
        return self._ledger.price

    @property
    def exhausted(self) -> bool:
        """Whether a charge was refused, here or there."""
        return self._exhausted or self._ledger.exhausted

    def allow(self, n: int) -> None:
        """Raise BudgetExhausted where n more queries are too many."""
        if n > self.remaining:
            self._exhausted = True
            raise BudgetExhausted(
                f"the budget of {self._budget} queries ran out: {n} more were needed, {self.remaining} remain"
            )

    def charge(self, kind: str, n: int) -> None:
        """Charge queries there, if they are allowed here."""
        self.allow(n)
        self._ledger.charge(kind, n)
