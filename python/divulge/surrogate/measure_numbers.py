"""How near a copy of a model that predicts numbers is to it, and the unit in which such copies learn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divulge.arrays import Array
from divulge.datasets.columns import shown
from divulge.datasets.dataset import are_numbers
from divulge.oracles import Answers, Oracle
from divulge.points import first_non_finite, host_array
from divulge.surrogate.measure import COSINES, gradients_of
from divulge.training.scaled import Scaled
from divulge.victims import Victim


def explained_share(told: Array, true: Array) -> float:
    """Return the share of the variance of numbers that others explain, of columns the mean.

    1 - sum (told - true)^2 / sum (true - mean)^2 (R^2): 1 where they are the same, below 0 where their mean
    tells more. Where the true ones are all the same there is none to explain: 1 for the same, else 0.

    Args:
        told: shape (n,) or (n, K).
        true: of the same shape.
    """
    off, spread = ((told - true) ** 2).sum(axis=0), ((true - true.mean(axis=0)) ** 2).sum(axis=0)
    differ = np.ptp(true, axis=0) > 0  # the deviation from a mean of equal numbers may be rounding
    share = 1 - off / np.where(differ, spread, 1.0)
    return float(np.mean(np.where(differ, share, np.where(off > 0, 0.0, 1.0))))


def numbers_are_predicted(victim: Any, targets: Any, oracle: Oracle) -> bool:
    """Whether numbers are predicted: the victim is a regression, or has one output beside such targets.

    Raises:
        ValueError: the targets are numbers and the victim names classes, or the oracle tells no values.
    """
    known = isinstance(victim, Victim)
    numbers = (known and victim.predicts_numbers) or (targets is not None and are_numbers(targets))
    if not numbers:
        return False
    if known and victim.class_names is not None:
        raise ValueError(
            f"expected classes as targets, which the victim names, {shown(victim.class_names)}, got numbers; "
            'kinds={target: "categorical"} reads them as classes'
        )
    if (known and victim.output_size > 1 and not victim.predicts_numbers) or oracle.output_size is None:
        return False  # as_targets says what is wrong
    if not oracle.has_values:
        raise ValueError(
            f"expected an oracle that tells values, the numbers that are predicted, got {oracle.kind} answers"
        )
    return True


def as_numbers(targets: Any, n: int) -> Array:
    """Return the true numbers of n inputs as float64, shape (n,).

    Raises:
        ValueError: they are of another shape, no numbers, or not finite.
    """
    found = np.asarray(host_array(targets))
    if found.dtype.kind not in "iuf":
        raise ValueError(
            f"expected targets that are numbers, as the victim predicts, got dtype {found.dtype}"
        )
    if found.shape != (n,):
        raise ValueError(f"expected targets of shape ({n},), one an input, got {found.shape}")
    bad = first_non_finite(found[:, None].astype(np.float64))
    if bad is not None:
        raise ValueError(f"expected finite targets, input {bad[0]} has {bad[2]}")
    return found.astype(np.float64)


@dataclass(frozen=True)
class NumbersYardstick:
    """A victim that predicts numbers, on test inputs.

    Attributes:
        inputs: shape (n, d).
        values: the victim's, shape (n, K).
        targets: the true numbers, shape (n,), or None.
        gradients: of the first output on the first inputs, shape (m, d); None where there are none.
    """

    inputs: Tensor
    values: Array
    targets: Array | None
    gradients: Tensor | None

    @staticmethod
    def of(victim: Victim, inputs: Tensor, targets: Array | None) -> NumbersYardstick:
        """Ask a victim about inputs (n, d) with targets (n,), outside every ledger."""
        some = inputs[:COSINES].numpy()
        first = torch.zeros(len(some), dtype=torch.long)
        gradients = gradients_of(victim, some, first) if victim.differentiable else None
        return NumbersYardstick(inputs, victim.values(inputs.numpy()), targets, gradients)

    def threshold(self, answers: Answers) -> float:
        """Return 0: no classes are told apart."""
        return 0.0

    def measure(
        self, copy: nn.Module, input_shape: tuple[int, ...], threshold: float = 0.0
    ) -> dict[str, float]:
        """Return the shares explained and the mean cosine of the gradients, NaN where there are none.

        Agreement is of the victim's variance, accuracy of the targets'.
        """
        victim = Victim(copy, input_shape, lower=False)
        values = victim.values(self.inputs.numpy())
        accuracy = cosine = float("nan")
        if self.targets is not None and values.shape[1] == 1:
            accuracy = explained_share(values[:, 0], self.targets)
        if self.gradients is not None:
            first = torch.zeros(len(self.gradients), dtype=torch.long)
            mine = gradients_of(victim, self.inputs[: len(first)].numpy(), first)
            cosine = float(torch.nn.functional.cosine_similarity(mine, self.gradients, dim=1).mean())
        agreement = explained_share(values, self.values)
        return {"agreement": agreement, "accuracy": accuracy, "gradient_cosine": cosine}


@dataclass(frozen=True)
class Unit:
    """The unit of numbers that are predicted: copies learn (f_k - shift_k) / scale_k.

    Attributes:
        scale: shape (K,).
        shift: shape (K,).
    """

    scale: Array
    shift: Array

    @staticmethod
    def of(answers: Answers, outputs: int) -> Unit:
        """Return the deviation and the mean of the values told of each output; 1 and 0 where none are."""
        scale, shift = np.ones(outputs), np.zeros(outputs)
        for k in range(outputs):
            if answers.values is not None and (answers.outputs == k).any():
                values = answers.values[answers.outputs == k]
                shift[k], scale[k] = values.mean(), values.std() if np.ptp(values) > 0 else 1.0
        return Unit(scale, shift)

    def told(self, answers: Answers) -> Answers:
        """Return answers in this unit: explanations scale as their outputs do."""
        scale = self.scale[answers.outputs]
        values, explanations = answers.values, answers.explanations
        return replace(
            answers,
            values=None if values is None else (values - self.shift[answers.outputs]) / scale,
            explanations=None if explanations is None else explanations / scale[:, None],
        )

    def undone(self, module: nn.Module) -> nn.Module:
        """Return a module of the numbers themselves, given one in this unit."""
        dtype = next(module.parameters()).dtype
        return nn.Sequential(module, Scaled(self.scale, self.shift, dtype=dtype)).eval()
