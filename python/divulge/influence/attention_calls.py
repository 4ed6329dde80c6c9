"""What weights are multiplied by that no layer is called for: those of MultiheadAttention, and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

__all__ = ["Watched", "watching", "within_attention"]


class Watched(NamedTuple):
    """What holds a weight, which of an attention's three projections is meant, and whom to tell."""

    layer: nn.Module
    part: int
    note: Callable[[nn.Module, Any, Any, Tensor], None]


def within_attention(layer: nn.Module) -> bool:
    """Whether a layer is one, or its output's, so that hooks do not see what its weight is multiplied by."""
    return isinstance(layer, (nn.MultiheadAttention, NonDynamicallyQuantizableLinear))


@contextmanager
def watching(watched: Sequence[Watched]) -> Iterator[None]:
    """Tell of each product of a weight of these layers, by standing in for the functions that make it."""
    if not watched:
        yield
        return
    functions: Any = F
    packed, linear = functions._in_projection_packed, functions.linear

    def packed_told(q: Tensor, k: Tensor, v: Tensor, w: Tensor, b: Tensor | None = None) -> Any:
        outputs = packed(q, k, v, w, b)
        for layer, part, note in watched:
            if layer._parameters.get("in_proj_weight") is w:
                note(layer, ((q, k, v)[part],), {}, outputs[part])
        return outputs

    def linear_told(a: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        output: Tensor = linear(a, w, b)
        for layer, _, note in watched:
            if layer._parameters.get("weight") is w:
                note(layer, (a,), {}, output)
        return output

    functions._in_projection_packed, functions.linear = packed_told, linear_told
    try:
        yield
    finally:
        functions._in_projection_packed, functions.linear = packed, linear
