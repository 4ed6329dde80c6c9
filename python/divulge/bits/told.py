"""What a copy already tells of a model, in bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import nn

from divulge.bits.length import code_length
from divulge.conventions import OnProgress
from divulge.datasets import Dataset
from divulge.victims import Victim


@dataclass(frozen=True)
class BitsTold:
    """How much of what a model holds a copy knows.

    Attributes:
        held: bits of a network of the copy's form that agrees with the model, from nothing.
        left: bits that are still to be told once the copy is known; those held where the copy is no help.
        agreement: of both with the model.
    """

    held: float
    left: float
    agreement: float

    @property
    def told(self) -> float:
        """Bits that the copy tells: held less left."""
        return self.held - self.left

    @property
    def share(self) -> float:
        """Bits told over bits held, from 0 to 1."""
        return self.told / self.held


def bits_told(
    model: Victim | nn.Module,
    copy: nn.Module,
    data: Dataset,
    *,
    agreement: float = 0.95,
    steps: int = 1500,
    seed: int = 0,
    held: float | None = None,
    progress: OnProgress | None = None,
) -> BitsTold:
    """Estimate how many of the bits that a model holds a copy of it already tells.

    Both are `code_length` with the copy's form: once around 0, once around the copy's weights. A copy that
    agrees so often leaves nothing to tell; one whose weights are no help leaves all.

    Args:
        model: a victim of any kind, or a module of class scores.
        copy: such as `steal(...).module`. The smaller its form, the better the estimate: a large one wastes
            bits.
        data: see `code_length`.
        agreement: share of the test inputs on which a network must name the model's class.
        steps: of each training.
        seed: of every random choice.
        held: the bits that a network of this form holds, where they are known from another copy.
        progress: called with the budgets done and the number of all.

    Raises:
        UnsupportedModel: the model is a regression, or the copy has no parameters or several precisions.
        ValueError: see `code_length`; or held of no bits.
    """
    if held is not None and held <= 0:
        raise ValueError(f"expected held as bits above 0, got {held}")
    trainings = 1 if held is not None else 2

    def counted(before: int) -> OnProgress | None:
        if progress is None:
            return None
        return lambda done, every: progress(before * every + done, trainings * every)

    length = partial(code_length, model, data, form=copy, agreement=agreement, steps=steps, seed=seed)
    if held is None:
        held = length(progress=counted(0)).bits
    left = length(prior=True, progress=counted(trainings - 1)).bits
    return BitsTold(held, left if left < held else held, agreement)
