"""What comes back with a prediction: labels, probabilities, values, explanations, of many points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Index, Words
from divulge.attributions.methods import Attribution

if TYPE_CHECKING:
    import torch

    # Does to a surrogate's explanations, shape (n, d), what was done to the told ones (the second argument).
    Imitation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Answers:
    """What an oracle told about n points; what it does not offer is None.

    Attributes:
        points: what was asked, shape (n, d).
        outputs: the output that value and explanation are of, shape (n,): the one named, else the top class.
        labels: the top class, shape (n,).
        values: f_k(x), shape (n,).
        probabilities: of all K classes, shape (n, K).
        explanations: shape (n, d).
        attribution: what the explanations are, or None where there are none.
        imitations: what defences did to the explanations, in order.
        beside: of counterfactuals the class on the other side of the border that they lie at, -1 of other
            points, shape (n,).
        rules: in words, why the label was given, shape (n,).
    """

    points: Array
    outputs: Index
    labels: Index | None = None
    values: Array | None = None
    probabilities: Array | None = None
    explanations: Array | None = None
    attribution: Attribution | None = None
    imitations: tuple[Imitation, ...] = ()
    beside: Index | None = None
    rules: Words | None = None

    def __len__(self) -> int:
        return len(self.points)

    def rows(self, index: NDArray[Any] | slice) -> Answers:
        """Return some of the answers."""
        parts: dict[str, Any] = {name: part[index] for name, part in self._arrays().items()}
        return replace(self, **parts)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """The parts that have a row for each point."""
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: part for name, part in every.items() if isinstance(part, np.ndarray)}

    @staticmethod
    def join(parts: Sequence[Answers]) -> Answers:
        """Return answers of one oracle one after the other.

        Raises:
            ValueError: they are not of one kind.
        """
        arrays = [part._arrays() for part in parts]
        if any(part.keys() != arrays[0].keys() for part in arrays):
            raise ValueError("expected answers of one kind to join")
        joined: dict[str, Any] = {name: np.concatenate([a[name] for a in arrays]) for name in arrays[0]}
        return replace(parts[0], **joined)
