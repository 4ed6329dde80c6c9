"""The oracle of an API that explains a prediction by its input gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from divulge import _core
from divulge.arrays import Array
from divulge.oracles.base import Domain
from divulge.oracles.victim import VictimOracle

if TYPE_CHECKING:
    from divulge.victims import Victim


class GradientOracle(VictimOracle):
    """Answers with the value f_k(x) and the input gradient df_k/dx of one chosen output k of a victim.

    Args:
        victim: the model under study.
        output: k, where a query names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the gradient alone.

    Raises:
        ValueError: there is no such output, the domain is empty, or the budget negative.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
    ) -> None:
        super().__init__(victim, output, domain, budget, kind="gradient", values=values)

    def native(self, output: int) -> _core.Oracle | None:
        """Return the native network's oracle, where the victim was lowered and answers have no limits."""
        plain = type(self) is GradientOracle and self.has_values and self.domain is None
        if not plain or self.victim.network is None:
            return None
        return _core.NetworkOracle(self.victim.network, output)

    def _answer(self, points: Array, output: int) -> tuple[Array | None, Array]:
        return self.victim.values_and_gradients(points, output)
