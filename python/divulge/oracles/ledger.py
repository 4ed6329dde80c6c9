"""The ledger: what an oracle was asked, what that costs, and how much it may still be asked."""

from __future__ import annotations

from math import inf
from operator import index

from divulge.errors import BudgetExhausted


class Ledger:
    """Counts queries by kind and holds an optional budget.

    Args:
        budget: the most queries that may be charged in all, or None for no limit.
        price: money for one query, or None where nothing is said of it.

    Raises:
        ValueError: the budget or the price is negative, or the price not finite.
        TypeError: the budget is not a whole number.
    """

    def __init__(self, *, budget: int | None = None, price: float | None = None) -> None:
        self._budget = None if budget is None else whole("a budget", budget)
        self._price = None if price is None else check_price(price)
        self._by_kind: dict[str, int] = {}
        self._exhausted = False

    @property
    def total(self) -> int:
        """Queries charged so far, of all kinds."""
        return sum(self._by_kind.values())

    @property
    def by_kind(self) -> dict[str, int]:
        """Queries charged so far for each kind of answer (a copy)."""
        return dict(self._by_kind)

    @property
    def budget(self) -> int | None:
        """The most queries that may be charged, or None."""
        return self._budget

    @property
    def remaining(self) -> int | None:
        """Queries that may still be charged, or None where there is no budget."""
        return None if self._budget is None else self._budget - self.total

    @property
    def price(self) -> float | None:
        """Money for one query, or None."""
        return self._price

    @property
    def cost(self) -> float | None:
        """Money for all queries charged so far, or None where they have no price."""
        return None if self.price is None else self.price * self.total

    @property
    def exhausted(self) -> bool:
        """Whether a charge was refused because the budget did not cover it."""
        return self._exhausted

    def charge(self, kind: str, n: int) -> None:
        """Charge `n` queries of one kind.

        Raises:
            BudgetExhausted: fewer than `n` queries remain; nothing is charged then.
            ValueError: `n` is negative.
        """
        n = whole("a number of queries", n)
        remaining = self.remaining
        if remaining is not None and n > remaining:
            self._exhausted = True
            raise BudgetExhausted(
                f"the budget of {self._budget} queries ran out: {self.total} were asked "
                f"and {n} more were needed, {remaining} remain"
            )
        if n:
            self._by_kind[kind] = self._by_kind.get(kind, 0) + n

    def release(self, kind: str, n: int) -> None:
        """Take back `n` charged queries of one kind that were never sent."""
        self._by_kind[kind] = self._by_kind.get(kind, 0) - whole("a number of queries", n)

    def __repr__(self) -> str:
        money = "" if self.cost is None else f", cost={self.cost:.2f}"
        return f"Ledger(total={self.total}, by_kind={self.by_kind}, budget={self.budget}{money})"


def whole(name: str, value: int) -> int:
    """Return a non-negative whole number, or raise."""
    if isinstance(value, bool):
        raise TypeError(f"expected {name} that is a whole number, got {value!r}")
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"expected {name} that is a whole number, got {value!r}") from None
    if number < 0:
        raise ValueError(f"expected {name} of at least 0, got {number}")
    return number


def check_price(price: float) -> float:
    """Return a price that is a finite number of at least 0, or raise."""
    if isinstance(price, bool) or not 0 <= price < inf:
        raise ValueError(f"expected a price of a query that is at least 0, got {price}")
    return float(price)
