"""The oracle of an API that returns one number and no explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from divulge.arrays import Array
from divulge.oracles.base import Domain
from divulge.oracles.victim import VictimOracle

if TYPE_CHECKING:
    from divulge.victims import Victim


class ValueOracle(VictimOracle):
    """Answers with the value f_k(x) of one chosen output k of a victim, one number a query.

    Args:
        victim: the model under study.
        output: k, where a query names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.

    Raises:
        ValueError: there is no such output, the domain is empty, or the budget negative.
    """

    def __init__(
        self, victim: Victim, *, output: int = 0, domain: Domain | None = None, budget: int | None = None
    ) -> None:
        super().__init__(victim, output, domain, budget, kind="value", gradients=False)

    def _answer(self, points: Array, output: int) -> tuple[Array, None]:
        return self.victim.values(points)[:, output], None
