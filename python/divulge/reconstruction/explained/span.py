"""The few combinations of inputs that count, read from explanations that are sums of gradients."""

from __future__ import annotations

import numpy as np
from torch import nn

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.row_space import RowSpace
from divulge.reconstruction.network.hidden_layer import Sum, linear
from divulge.reconstruction.settings import RANK, SPANNED


def explained_space(asked: list[AskedOutput], lines: Lines) -> RowSpace | None:
    """Return the span of explanations, or None where it is not small beside the inputs.

    The outputs are asked by turns, half of the points far out, until so many answers lie in the span of the
    others as there are to be.

    Args:
        asked: the outputs.
        lines: what draws.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    rows, count = np.empty((0, lines.input_size)), max(SPANNED.first, len(asked))
    while True:
        points = lines.samples(count)
        points[1::2] *= SPANNED.far
        for first, output in enumerate(asked):
            rows = np.concatenate([rows, output.explained(points[first :: len(asked)])])
        sizes = np.linalg.norm(rows, axis=1, keepdims=True)
        space = RowSpace.of(rows[sizes[:, 0] > 0] / sizes[sizes[:, 0] > 0], RANK)
        if not 0 < len(space) <= SPANNED.share * lines.input_size:
            return None
        count = len(space) + max(SPANNED.surplus, len(asked)) - len(rows)
        if count <= 0:
            return space


def widened(module: nn.Module, basis: Array) -> nn.Module:
    """Return a module of r inputs as one of d, x being read as B x; B of shape (r, d)."""
    if isinstance(module, nn.Linear):
        weight, bias = module.weight.detach().double().numpy(), module.bias.detach().double().numpy()
        return linear(weight @ basis, bias, module.weight.dtype)
    if isinstance(module, Sum):
        return Sum(*(widened(term, basis) for term in module.terms))
    parts = list(module.children())
    return nn.Sequential(widened(parts[0], basis), *parts[1:])
