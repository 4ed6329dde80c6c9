"""How near a copy is to its victim on inputs that the maker of the copy never asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divulge.arrays import Array
from divulge.oracles import Answers
from divulge.points import host_array
from divulge.training.class_scores import OutputsAs, named_classes
from divulge.victims import Victim

COSINES = 500  # inputs on which gradients are compared


def as_targets(targets: Any, n: int, classes: int) -> Tensor:
    """Return the true classes of n inputs as int64, shape (n,).

    Raises:
        TypeError: they are no whole numbers.
        ValueError: their shape is another, or one is not from 0 to classes - 1.
    """
    found = np.asarray(host_array(targets))
    if found.dtype.kind not in "iu":
        raise TypeError(
            f"expected targets that are numbers of classes from 0 to {classes - 1}, got dtype {found.dtype}"
        )
    if found.shape != (n,):
        raise ValueError(f"expected targets of shape ({n},), one an input, got {found.shape}")
    if n and not 0 <= found.min() <= found.max() < classes:
        wrong = found[(found < 0) | (found >= classes)][0]
        raise ValueError(
            f"expected targets from 0 to {classes - 1}, as many classes as the victim has, got {wrong}"
        )
    return torch.from_numpy(found.astype(np.int64))


@dataclass(frozen=True)
class Yardstick:
    """A victim on test inputs.

    Attributes:
        inputs: shape (n, d).
        classes: the victim's, shape (n,).
        targets: the true classes, shape (n,), or None.
        gradients: of the victim's own class on the first inputs, shape (m, d); None where it has none.
        explained: which outputs these are of, shape (m,).
        victim: that copies are compared with; None where its classes alone are known.
        outputs: K.
    """

    inputs: Tensor
    classes: Tensor
    targets: Tensor | None
    gradients: Tensor | None
    explained: Tensor
    victim: Victim | None
    outputs: int

    @staticmethod
    def of(victim: Victim, inputs: Tensor, targets: Tensor | None) -> Yardstick:
        """Ask a victim about inputs (n, d) with targets (n,), outside every ledger."""
        classes = torch.from_numpy(victim.classes(inputs.numpy()))
        some = inputs[:COSINES].numpy()
        explained = classes[:COSINES] if victim.output_size > 1 else torch.zeros(len(some), dtype=torch.long)
        gradients = gradients_of(victim, some, explained) if victim.differentiable else None
        return Yardstick(inputs, classes, targets, gradients, explained, victim, victim.output_size)

    @staticmethod
    def of_classes(classes: Tensor, inputs: Tensor, targets: Tensor | None, outputs: int) -> Yardstick:
        """Take the classes (n,) that a victim named for inputs (n, d), of so many outputs."""
        return Yardstick(inputs, classes, targets, None, classes, None, outputs)

    def threshold(self, answers: Answers) -> float:
        """Return what a copy's one output is above for class 1, having learned from answers.

        A copy that learned a probability, the victim's or a callable's, names its class by .5, one that
        learned a logit by 0.

        Args:
            answers: of an oracle of one output.
        """
        values = answers.values
        if self.victim is None:
            return 0.0
        if values is None:
            return self.victim.threshold
        true = self.victim.classes(answers.points)
        matches = [((values > threshold) == true).mean() for threshold in (0.0, 0.5)]
        return 0.5 if 0 <= values.min() <= values.max() <= 1 and matches[1] > matches[0] else 0.0

    def measure(
        self, copy: nn.Module, input_shape: tuple[int, ...], threshold: float = 0.0
    ) -> dict[str, float]:
        """Return agreement, accuracy and the mean cosine of the gradients, NaN where there are none.

        Raises:
            ValueError: a copy of two outputs stands for one probability.
        """
        outputs = self.outputs
        victim = Victim(OutputsAs(copy, outputs), input_shape, lower=False)
        if threshold and Victim(copy, input_shape, lower=False).output_size > 1:
            raise ValueError("expected a surrogate with one output, one probability is told of two classes")
        found = torch.from_numpy(named_classes(victim.values(self.inputs.numpy()), threshold))
        accuracy = float("nan") if self.targets is None else _share(found == self.targets)
        cosine = float("nan")
        if self.gradients is not None:
            mine = gradients_of(victim, self.inputs[: len(self.explained)].numpy(), self.explained)
            cosine = float(torch.nn.functional.cosine_similarity(mine, self.gradients, dim=1).mean())
        return {
            "agreement": _share(found == self.classes),
            "accuracy": accuracy,
            "gradient_cosine": cosine,
        }


def gradients_of(victim: Victim, points: Array, outputs: Tensor) -> Tensor:
    """Return the gradients (n, d) of the outputs named, shape (n,), at points (n, d)."""
    gradients = torch.zeros(points.shape, dtype=torch.float64)
    for output in sorted(set(outputs.tolist())):
        rows = outputs == output
        gradients[rows] = torch.from_numpy(victim.values_and_gradients(points[rows.numpy()], output)[1])
    return gradients


def _share(same: Tensor) -> float:
    """The share of inputs for which something holds."""
    return float(same.double().mean())
