"""What a classifier returns, brought to one form: the one place that says what a single output means."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divulge.arrays import Array, Index

__all__ = [
    "ClassScores",
    "OutputsAs",
    "check_class",
    "class_scores",
    "named_classes",
    "outputs_as",
    "precision",
    "sided_scores",
]


def class_scores(outputs: Tensor) -> Tensor:
    """Return class scores (n, K), K at least 2, whose softmax are the probabilities.

    One output z, of shape (n,) or (n, 1), is taken for the log-odds of class 1 against class 0, and becomes
    (-z / 2, z / 2).

    Raises:
        ValueError: outputs of another shape.
    """
    scores = sided_scores(outputs)
    return scores if outputs.ndim == 2 and outputs.shape[1] > 1 else scores / 2


def sided_scores(outputs: Tensor) -> Tensor:
    """Return what speaks for each class, (n, K): its score; of one output z, -z for class 0 and z for 1.

    Raises:
        ValueError: outputs of another shape than (n, K), (n, 1) or (n,).
    """
    if outputs.ndim == 1:
        outputs = outputs[:, None]
    if outputs.ndim != 2 or outputs.shape[1] < 1:
        raise ValueError(f"expected class scores of shape (n, K) or (n,), got {tuple(outputs.shape)}")
    return torch.cat([-outputs, outputs], dim=1) if outputs.shape[1] == 1 else outputs


def named_classes(outputs: Array, threshold: float = 0.0) -> Index:
    """Return the class that outputs (n, K) or (n,) name, shape (n,): the largest, or of one z whether z > 0.

    Args:
        outputs: class scores; of two classes one may be told, the log-odds of class 1.
        threshold: what one output is compared with: 0, or .5 where it is a probability.

    Raises:
        ValueError: outputs of another shape, or NaN among them.
    """
    scores = torch.from_numpy(np.asarray(outputs, np.float64))
    if scores.isnan().any():
        raise ValueError(
            f"expected outputs that name a class, input {int(scores.isnan().nonzero()[0, 0])} has NaN"
        )
    alone = scores.ndim == 1 or scores.shape[1] == 1
    return np.asarray(sided_scores(scores - threshold if alone else scores).argmax(dim=1), np.intp)


def outputs_as(outputs: Tensor, count: int) -> Tensor:
    """Return outputs (n, K) as a module of `count` outputs that names the same classes would give them.

    Two outputs become z_1 - z_0, the log-odds of class 1; one becomes (-z / 2, z / 2).

    Raises:
        ValueError: K and count differ, and are not 1 and 2.
    """
    sizes = (outputs.shape[1], count)
    if sizes[0] == sizes[1]:
        return outputs
    if sizes == (1, 2):
        return class_scores(outputs)
    if sizes == (2, 1):
        return outputs[:, 1:] - outputs[:, :1]
    raise ValueError(f"expected {count} outputs, got {sizes[0]}")


def check_class(what: str, number: Any, count: int | None = None) -> int:
    """Return the number of a class, from 0 to count - 1 where the count is known.

    Raises:
        TypeError: no whole number, or True or False.
        ValueError: a number outside.
    """
    try:
        found = index(None if isinstance(number, bool) else number)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"expected {what} that is a whole number, got {number!r}") from None
    if count is not None and not 0 <= found < count:
        raise ValueError(f"expected {what} from 0 to {count - 1}, got {found}")
    return found


class ClassScores(nn.Module):
    """A module with its outputs brought to class scores (n, K)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor) -> Tensor:
        """Return class scores, see `class_scores`."""
        return class_scores(self.module(inputs))


class OutputsAs(nn.Module):
    """A module with as many outputs as another one has that names the same classes.

    Args:
        module: maps inputs to outputs (n, K).
        count: how many, or None for K.
    """

    def __init__(self, module: nn.Module, count: int | None) -> None:
        super().__init__()
        self.module = module
        self.count = count

    def forward(self, inputs: Tensor) -> Tensor:
        """Return outputs (n, count), see `outputs_as`."""
        outputs: Tensor = self.module(inputs)
        return outputs if self.count is None else outputs_as(outputs, self.count)


def precision(module: nn.Module, inputs: Tensor) -> torch.dtype:
    """The precision that a module is fed in: of its first parameter, else of the inputs, else float32."""
    parameter = next(module.parameters(), None)
    dtype = inputs.dtype if parameter is None else parameter.dtype
    return dtype if dtype.is_floating_point else torch.float32
