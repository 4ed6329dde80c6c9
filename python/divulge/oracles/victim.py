"""What the oracles that answer for a victim at hand have in common."""

from __future__ import annotations

from divulge.arrays import Array, Index
from divulge.oracles.base import Domain, Oracle
from divulge.victims import Victim


class VictimOracle(Oracle):
    """An oracle of a victim at hand, with its sizes and its precision.

    Args:
        victim: the model under study.
        output: which output a query asks for when it names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        kind: the name under which the ledger counts these queries.
        values: whether an answer holds the value.
        gradients: whether an answer holds the input gradient.
        least_outputs: outputs that may be asked about even where the victim has fewer.

    Raises:
        TypeError: `victim` is not a Victim.
        ValueError: there is no such output, the domain is empty, or the budget negative.
        UnsupportedModel: gradients are asked for, and the model has none; or classes, of a regression.
    """

    def __init__(
        self,
        victim: Victim,
        output: int,
        domain: Domain | None,
        budget: int | None,
        *,
        kind: str,
        values: bool = True,
        gradients: bool = True,
        least_outputs: int = 1,
    ) -> None:
        if not isinstance(victim, Victim):
            raise TypeError(
                f"expected a victim such as Victim(module, input_shape=...), got {type(victim).__name__}"
            )
        if gradients:
            victim.check_differentiable()
        if least_outputs > 1:
            victim.check_names_classes()
        self.victim = victim
        self.input_shape = tuple(victim.input_shape)
        super().__init__(
            input_size=victim.input_size,
            output_size=max(least_outputs, victim.output_size),
            output=output,
            dtype=victim.dtype,
            domain=domain,
            budget=budget,
            kind=kind,
            has_values=values,
            has_gradients=gradients,
        )

    def _top(self, points: Array) -> Index | None:
        if self.victim.output_size == 1:
            return None  # one output is always the one explained
        return self.victim.classes(points)
