"""The oracle of an API that names a class and says in words why: "because income > 3 and age <= 40"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.errors import UnsupportedModel
from divulge.oracles.base import Domain
from divulge.oracles.explained import Answers
from divulge.oracles.ledger import whole
from divulge.oracles.victim import VictimOracle
from divulge.victims.trees import single_tree

if TYPE_CHECKING:
    from divulge.victims import Victim

CHUNK = 64  # inputs compared with all leaves at a time


class RuleOracle(VictimOracle):
    """Answers with the top class and the rule of a decision tree that led there; see `explain`.

    A rule is text, the conditions on the way to the leaf of the tree, those of one column together:
    "because 30 < age <= 40 and income > 3". `Answers.rules` holds it. `query` has nothing to return: (None,
    None).

    Args:
        victim: the model under study, a single decision tree that is fed the numbers themselves.
        decimals: to which thresholds are told; None: so that they can be read back exactly.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.

    Attributes:
        names: of the columns, as rules name them; x0, x1, ... where the model knows none.

    Raises:
        UnsupportedModel: the model is no single tree.
        ValueError: the domain is empty, the budget negative, or a negative number of decimals.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        decimals: int | None = None,
        domain: Domain | None = None,
        budget: int | None = None,
    ) -> None:
        super().__init__(
            victim, 0, domain, budget, kind="rule", values=False, gradients=False, least_outputs=2
        )
        leaves = single_tree(victim)
        if leaves is None:
            raise UnsupportedModel("rules are those of a single decision tree, which the model is not")
        if decimals is not None and whole("decimals", decimals) < 0:
            raise ValueError(f"expected decimals of at least 0, got {decimals}")
        self._leaves, self.decimals = leaves, decimals
        self.names = _names(victim)

    def _answer(self, points: Array, output: int) -> tuple[None, None]:
        return None, None

    def _explain(self, points: Array, outputs: Index | None) -> Answers:
        labels = self._top(points)
        parts = [points[i : i + CHUNK] for i in range(0, len(points), CHUNK)]
        where = [leaf for part in parts for leaf in self._leaves.inside(part).all(axis=-1).argmax(axis=1)]
        return Answers(points, labels, labels, rules=np.array([self._words(leaf) for leaf in where], str))

    def _top(self, points: Array) -> Index:
        return self.victim.classes(points)

    def _words(self, leaf: int) -> str:
        """The conditions of a leaf as text."""
        leaves = self._leaves
        below, above = ("<", ">=") if leaves.strict else ("<=", ">")
        said = []
        for number, low, high in zip(leaves.feature[leaf], leaves.low[leaf], leaves.high[leaf], strict=True):
            if number < 0:
                continue
            name = self.names[number]
            if np.isfinite(low) and np.isfinite(high):
                under = "<=" if leaves.strict else "<"
                said.append(f"{self._number(low)} {under} {name} {below} {self._number(high)}")
            elif np.isfinite(low):
                said.append(f"{name} {above} {self._number(low)}")
            else:
                said.append(f"{name} {below} {self._number(high)}")
        return "because " + " and ".join(said) if said else "always"

    def _number(self, threshold: float) -> str:
        return repr(float(threshold)) if self.decimals is None else f"{threshold:.{self.decimals}f}"


def _names(victim: Any) -> tuple[str, ...]:
    """What the columns are called."""
    module = victim.module
    if module.data is not None:
        return tuple(str(column.name) for column in module.data.columns)
    known = getattr(module.estimator, "feature_names_in_", None)
    return tuple(f"x{i}" for i in range(victim.input_size)) if known is None else tuple(map(str, known))
