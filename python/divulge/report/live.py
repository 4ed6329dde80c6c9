"""A live API in the place of a victim, of which nothing is known but its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from divulge.arrays import Index
from divulge.oracles import Oracle

if TYPE_CHECKING:
    from divulge.points import Points


class LiveVictim:
    """What a report needs of a victim, asked of an API.

    Attributes:
        naming: the oracle that names classes.
        input_size: d.
        class_names: the classes, where an oracle says so.
    """

    def __init__(self, naming: Oracle) -> None:
        self.naming = naming
        self.input_size = naming.input_size
        self.class_names: tuple[Any, ...] | None = getattr(naming, "class_names", None)

    def classes(self, points: Points) -> Index:
        """Ask for the classes of points (n, d)."""
        labels = self.naming.explain(points).labels
        assert labels is not None
        return labels

    def __repr__(self) -> str:
        return f"an API with {self.input_size} numbers in, {self.naming.output_size} classes"


def live_victim(
    given: Oracle | Mapping[str, Oracle],
) -> tuple[LiveVictim, dict[str, Callable[[Any], Oracle]]]:
    """Return what stands for the victim, and the oracles by name as `leak_report` takes them.

    Raises:
        ValueError: none of them names classes, or they take inputs of different sizes.
        TypeError: one is no oracle.
    """
    named = {given.kind: given} if isinstance(given, Oracle) else dict(given)
    for name, oracle in named.items():
        if not isinstance(oracle, Oracle):
            raise TypeError(f"expected an oracle named {name!r}, got {type(oracle).__name__}")
    sizes = {oracle.input_size for oracle in named.values()}
    if len(sizes) != 1:
        raise ValueError(f"expected oracles of inputs of one size, got {sorted(sizes)}")
    naming = next((o for o in named.values() if o.kind in ("label", "probability")), None)
    if naming is None:
        raise ValueError(
            "expected an oracle that tells labels or probabilities, to compare copies with, got "
            f"{', '.join(named)}"
        )
    return LiveVictim(naming), {name: _constant(oracle) for name, oracle in named.items()}


def _constant(oracle: Oracle) -> Callable[[Any], Oracle]:
    return lambda victim: oracle
