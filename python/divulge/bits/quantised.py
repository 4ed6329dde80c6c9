"""The plain estimate: weights, or their difference from a copy's, rounded to a grid and entropy-coded."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
import torch
from scipy.special import gammaln
from torch import Tensor, nn

from divulge.bits.aligned import aligned
from divulge.bits.imitation import Imitation
from divulge.bits.weights import Weights
from divulge.datasets import Dataset
from divulge.training.modes import copied

# Steps of the grid, in root mean squares of a parameter's numbers: from one in which a network says nothing
# any more to 16 bits, a quarter finer each time.
_STEPS = np.geomspace(8.0, 2.0**-16, 86)
# What a decoder is told of a parameter beside its numbers: the grid's step and the least and largest of them.
_BITS_A_PARAMETER = 32 + 2 * 16


@dataclass(frozen=True)
class QuantisedLength:
    """What a network rounded to a grid takes.

    Attributes:
        bits: of all numbers, coded adaptively, at the coarsest grid that agrees; NaN where none does.
        agreement: of the rounded network with the one itself.
        step: of the grid, in root mean squares of each parameter's numbers.
    """

    bits: float
    agreement: float
    step: float


def quantised_length(
    module: nn.Module, data: Dataset, *, prior: nn.Module | None = None, agreement: float = 0.99
) -> QuantisedLength:
    """Return the bits of a module's weights on the coarsest grid on which it still names its own classes.

    Each parameter's numbers, or their differences from a prior's, are rounded to a multiple of one step, and
    coded adaptively by their frequencies so far (R. Krichevsky, V. Trofimov 1981): with n_k numbers in cell k
    of K

        log2 Gamma(n + K / 2) / Gamma(K / 2) - sum_k log2 Gamma(n_k + 1 / 2) / Gamma(1 / 2).

    Args:
        module: whose weights are told; not changed. Its hidden units are ordered and scaled as the prior's
            first, where it is a chain of linear layers and ReLUs.
        data: agreement is measured on its test inputs.
        prior: a module of the same form, whose weights are known.
        agreement: share of the test inputs.

    Raises:
        UnsupportedModel: no parameters, or several precisions.
        ValueError: weights that are not finite, a prior of another form, or an agreement that is not above 0
            and at most 1.
    """
    if not 0 < agreement <= 1:
        raise ValueError(f"expected an agreement above 0 and at most 1, got {agreement}")
    weights = Weights(module)
    imitated = Imitation(module, data, weights.dtype)
    if prior is None:
        told, base = weights.vector(module), torch.zeros(weights.count, dtype=weights.dtype)
    else:
        if Weights(prior).shapes != weights.shapes:
            raise ValueError("the prior's parameters have other shapes than the module's")
        base, told = weights.vector(prior), weights.vector(aligned(module, prior))
    running = copied(module).eval()
    difference = (told - base).double()
    units = torch.cat(
        [
            torch.full((len(part),), float(part.square().mean().sqrt()))
            for part in torch.split(difference, weights.sizes)
        ]
    ).double()
    for step in _STEPS.tolist():
        cells = torch.where(units > 0, (difference / (step * units)).round(), 0.0)
        rounded = (base.double() + cells * step * units).to(weights.dtype)
        with torch.no_grad():
            reached = imitated.agreement(weights.run(running, rounded, imitated.test_inputs))
        if reached >= agreement:
            return QuantisedLength(_bits(cells, weights.sizes), reached, step)
    return QuantisedLength(float("nan"), reached, step)


def _bits(cells: Tensor, sizes: list[int]) -> float:
    """Return the bits of whole numbers, parameter by parameter."""
    return float(
        sum(_BITS_A_PARAMETER + adaptive_bits(part.long().numpy()) for part in torch.split(cells, sizes))
    )


def adaptive_bits(numbers: np.ndarray) -> float:
    """Return the bits of Krichevsky's and Trofimov's code of whole numbers in their range."""
    _, counts = np.unique(numbers, return_counts=True)
    cells, n = int(numbers.max() - numbers.min()) + 1, len(numbers)
    nats = gammaln(n + cells / 2) - gammaln(cells / 2) - (gammaln(counts + 0.5) - gammaln(0.5)).sum()
    return float(nats / log(2))
