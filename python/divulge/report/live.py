"""A live API in the place of a victim, of which nothing is known but its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.oracles import Oracle
from divulge.training.class_scores import named_classes

if TYPE_CHECKING:
    from divulge.points import Points


BY_VALUES = (
    "labels of the API's own, which tells none: classes are those of the largest value, of one value above 0"
)


class LiveVictim:
    """What a report needs of a victim, asked of an API.

    Attributes:
        naming: the oracle that names classes.
        by_values: whether it tells no classes, so that values name them.
        input_size: d.
        class_names: the classes, where an oracle says so.
    """

    def __init__(self, naming: Oracle) -> None:
        self.naming = naming
        self.by_values = not _names(naming)
        self.input_size = naming.input_size
        self.class_names: tuple[Any, ...] | None = getattr(naming, "class_names", None)

    def classes(self, points: Points) -> Index:
        """Ask for the classes of points (n, d); values are asked of every output.

        Raises:
            ValueError: one output's values all lie from 0 to 1, as probabilities do.
        """
        if self.by_values:
            outputs = range(self.naming.output_size or 1)
            told = [self.naming.query(points, output)[0] for output in outputs]
            values = np.column_stack([value for value in told if value is not None])
            if values.shape[1] == 1 and ((values >= 0) & (values <= 1)).all():
                raise ValueError(
                    "the one output's values all lie from 0 to 1: tell probabilities as such, by "
                    "LiveOracle(..., tells='probability'), or values that name class 1 above 0"
                )
            return named_classes(values)
        labels = self.naming.explain(points).labels
        assert labels is not None
        return labels

    def numbers(self, points: Points) -> Array:
        """Ask for the one number that is predicted of points (n, d), shape (n,).

        Raises:
            ValueError: classes are told, or values of several outputs.
        """
        if not self.by_values or (self.naming.output_size or 1) > 1:
            raise ValueError("expected an API that tells one value, as the targets are numbers")
        told = self.naming.query(points, 0)[0]
        assert told is not None
        return told

    def __repr__(self) -> str:
        size = self.naming.output_size or 1
        return f"an API with {self.input_size} numbers in, {max(2, size)} classes"


def live_victim(
    given: Oracle | Mapping[str, Oracle],
) -> tuple[LiveVictim, dict[str, Callable[[Any], Oracle]]]:
    """Return what stands for the victim, and the oracles by name as `leak_report` takes them.

    Raises:
        ValueError: none of them names classes, how many values name them is not known, or they take inputs
            of different sizes.
        TypeError: one is no oracle.
    """
    named = {given.kind: given} if isinstance(given, Oracle) else dict(given)
    for name, oracle in named.items():
        if not isinstance(oracle, Oracle):
            raise TypeError(f"expected an oracle named {name!r}, got {type(oracle).__name__}")
    sizes = {oracle.input_size for oracle in named.values()}
    if len(sizes) != 1:
        raise ValueError(f"expected oracles of inputs of one size, got {sorted(sizes)}")
    naming = next((o for o in named.values() if _names(o)), None)
    naming = naming or next((o for o in named.values() if o.has_values), None)
    if naming is None:
        raise ValueError(
            "expected an oracle that tells labels, probabilities or values, to compare copies with, got "
            f"{', '.join(named)}"
        )
    if not _names(naming) and naming.output_size is None:
        raise ValueError("expected output_size= of an API that tells values: the largest one names the class")
    return LiveVictim(naming), {name: _constant(oracle) for name, oracle in named.items()}


def _names(oracle: Oracle) -> bool:
    """Whether an oracle tells classes, or their probabilities."""
    return oracle.kind in ("label", "probability")


def _constant(oracle: Oracle) -> Callable[[Any], Oracle]:
    return lambda victim: oracle
