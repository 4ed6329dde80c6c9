"""The oracle of an API that names a class and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from divulge.arrays import Array, Index
from divulge.oracles.base import Domain
from divulge.oracles.explained import Answers
from divulge.oracles.victim import VictimOracle

if TYPE_CHECKING:
    from divulge.victims import Victim


class LabelOracle(VictimOracle):
    """Answers with the top class alone; see `explain`. `query` has nothing to return: (None, None).

    Args:
        victim: the model under study. One output z means two classes, the second where z > 0, or where
            z > .5 if it is a probability (`Victim.classes`).
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.

    Raises:
        ValueError: the domain is empty, or the budget negative.
    """

    def __init__(self, victim: Victim, *, domain: Domain | None = None, budget: int | None = None) -> None:
        super().__init__(
            victim, 0, domain, budget, kind="label", values=False, gradients=False, least_outputs=2
        )

    def _answer(self, points: Array, output: int) -> tuple[None, None]:
        return None, None

    def _explain(self, points: Array, outputs: Index | None) -> Answers:
        labels = self._top(points)
        return Answers(points, labels, labels)

    def _top(self, points: Array) -> Index:
        return self.victim.classes(points)
