"""What each of torch's basic operations does to maps: a convolution, a pooling, another order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from divulge.comparison.image_steps import Maps, Step, Traced, UnknownStep
from divulge.comparison.recorded_poolings import adaptive, clip, leaky, mean, pad, pool, prelu, relu
from divulge.comparison.recorded_weights import addmm, constant, convolution, mm, norm


def apply(
    name: str, func: Any, args: Any, kwargs: Any, traced: Traced, maps: Maps, out: Tensor, batch: int
) -> tuple[Step | None, Tensor | None]:
    """Return the step that an operation is, or None, and where its numbers stood in the maps it left.

    Places are None where they are in order, as a convolution or a pooling leaves them.

    Args:
        name: of the operation, such as "relu_".
        func: the operation.
        args: what it was given.
        kwargs: what it was given by name.
        traced: the one argument that comes of the input.
        maps: (C, H, W) in which the last step left it.
        out: the result.
        batch: how many inputs are run together.

    Raises:
        UnknownStep: the operation is not known.
    """
    plain = name if name.startswith("_") else name.rstrip("_")
    if plain in _MOVES and args[0] is traced.tensor:
        return None, func(traced.places, *args[1:], **kwargs)
    if plain in _COPIES:
        if not out.is_floating_point():
            raise UnknownStep("results are rounded to integers")
        return None, traced.places
    rule = _RULES.get(plain)
    if rule is None:
        raise UnknownStep(_WORDS.get(plain, f"an operation {plain} is none of a row of layers"))
    if any(value not in (None, 1) for value in kwargs.values()):
        raise UnknownStep(f"an operation {plain} with {', '.join(kwargs)} is none of a row of layers")
    if traced.tensor.shape[:1] != (batch,):
        raise UnknownStep("a layer is applied at every place of a map")
    step = rule(plain, list(args), traced, maps, out)
    return step, traced.places if plain in _EACH_NUMBER else None


# What works on each number by itself: numbers stay where they were, in whatever order.
_EACH_NUMBER = {
    "native_batch_norm", "_native_batch_norm_legit_no_training", "add", "sub", "rsub", "mul", "div", "relu",
    "leaky_relu", "_prelu_kernel", "hardtanh", "clamp", "clamp_min",
}  # fmt: skip
_MOVES = {
    "view", "_unsafe_view", "reshape", "permute", "transpose", "t", "squeeze", "unsqueeze", "flatten",
    "expand", "slice", "select", "_reshape_alias",
}  # fmt: skip
_COPIES = {"clone", "detach", "alias", "contiguous", "_to_copy", "lift_fresh"}
_WORDS = {
    "reflection_pad2d": "maps are padded by their reflection",
    "replication_pad2d": "maps are padded by their edges",
    "new_empty": "maps are padded in a circle, or written into piece by piece",
    "cat": "results of several layers are put side by side",
}
_RULES: dict[str, Callable[[str, list[Any], Traced, Maps, Tensor], Step]] = {
    "convolution": convolution,
    "addmm": addmm,
    "mm": mm,
    "native_batch_norm": norm,
    "_native_batch_norm_legit_no_training": norm,
    **dict.fromkeys(("add", "sub", "rsub", "mul", "div"), constant),
    "relu": relu,
    "leaky_relu": leaky,
    "_prelu_kernel": prelu,
    **dict.fromkeys(("hardtanh", "clamp", "clamp_min"), clip),
    **dict.fromkeys(("avg_pool2d", "max_pool2d_with_indices", "max_pool2d"), pool),
    **dict.fromkeys(("_adaptive_avg_pool2d", "adaptive_max_pool2d"), adaptive),
    **dict.fromkeys(("mean", "amax"), mean),
    "constant_pad_nd": pad,
}
