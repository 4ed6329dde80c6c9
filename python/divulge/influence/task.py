"""What a module was trained to do: how it is called, its loss, and what is explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from divulge.influence.per_sample import LossFunction
from divulge.victims.wrapped import logits_in

__all__ = ["Call", "Task", "call_module"]

Call = Callable[[nn.Module, Any], Any]


def call_module(module: nn.Module, inputs: Any) -> Any:
    """Return a module's outputs on inputs of one array, of a dict by name, or of a tuple in its order.

    Of a result with logits, as an attribute or by that key, these are the outputs.
    """
    if isinstance(inputs, Mapping):
        result = module(**inputs)
    else:
        result = module(*inputs) if isinstance(inputs, tuple) else module(inputs)
    if isinstance(result, Tensor):
        return result
    found = logits_in(result)
    return result if found is None else found


@dataclass(frozen=True)
class Task:
    """How a module is called on a batch, what it was trained on, and what of a test point is explained.

    Attributes:
        call: from (module, inputs) to outputs (n, K), or (n, *positions, K) of samples with several
            positions, such as tokens. Inputs are those of a batch, in the form that they have in the data: a
            tensor, a dict or a tuple of tensors.
        loss: as for `Influence`. With positions, "cross_entropy" takes targets (n, *positions) and "squared"
            (n, *positions, K); a function of (outputs, targets) sees them as they are.
        of: what is explained where nothing else is asked: "loss", "log_probability", "margin", "logit", or a
            function of (outputs, targets) with one number a test point.
        positions: of losses by name, the "mean" over a sample's positions or their "sum".
        ignore_index: the class of positions that do not count; of "squared" all do.

    Example, next bytes of a text (a language model is trained to name each position's successor):

        Task(call=lambda model, text: model(text[:, :-1]), positions="sum")
    """

    call: Call = call_module
    loss: str | LossFunction = "cross_entropy"
    of: str | LossFunction = "loss"
    positions: Literal["mean", "sum"] = "mean"
    ignore_index: int = -100

    def __post_init__(self) -> None:
        if not callable(self.call):
            raise TypeError(f"expected call as a function of (module, inputs), got {self.call!r}")
