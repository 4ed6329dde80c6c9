"""Which layers hold the parameters in question, one weight in several of them included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from divulge.influence.operators import LayerPlace

__all__ = ["LayerGroup", "layer_groups"]

_OTHERS = "name others in parameters=, or use curvature='gauss_newton'"


@dataclass(frozen=True)
class LayerGroup:
    """The layers that share one weight, most often one.

    Attributes:
        names: of the layers in the module.
        layers: Linear or Conv2d.
        place: of weight and bias in the flat vector of parameters.
        weight: the number of the weight among the parameters in question.
        bias: that of the bias, or None.
    """

    names: list[str]
    layers: list[nn.Module]
    place: LayerPlace
    weight: int
    bias: int | None


def layer_groups(module: nn.Module, names: Sequence[str], tensors: Sequence[Tensor]) -> list[LayerGroup]:
    """Return the layers whose weights and biases are exactly the parameters in question.

    Args:
        module: holds them.
        names: of the parameters in question.
        tensors: their values, of the module's shapes.

    Raises:
        ValueError: a parameter that belongs to no Linear or Conv2d, to one of another kind than
            `LayerGradients` describes, to several whose biases differ, or a bias without its weight.
    """
    parts = dict(module.named_modules())
    held = [_parameter(parts, name) for name in names]
    offsets = list(accumulate([0] + [t.numel() for t in tensors]))
    numbers = {id(p): i for i, p in enumerate(held)}
    groups, covered = [], set()
    for i, name in enumerate(names):
        holders = [
            (n, p, kind) for n, p in parts.items() for kind, t in p._parameters.items() if t is held[i]
        ]
        for holder, part, kind in holders:
            _check_covered(name, holder, part, kind)
        if name.rpartition(".")[2] == "bias":
            continue
        found = {numbers.get(id(part._parameters["bias"])) for _, part, _ in holders}
        if len(found) > 1:
            raise ValueError(
                f"kfac and ekfac need one bias beside one weight, but {name!r} is the weight of "
                f"{' and '.join(repr(n) for n, *_ in holders)}, whose biases differ: {_OTHERS}"
            )
        bias = found.pop()
        h, d = len(tensors[i]), tensors[i].numel() // len(tensors[i])
        place = LayerPlace(h, d, offsets[i], None if bias is None else offsets[bias])
        groups.append(LayerGroup([n for n, *_ in holders], [p for _, p, _ in holders], place, i, bias))
        covered |= {i, bias}
    for i, name in enumerate(names):
        sharers = {n for n, part in parts.items() if part._parameters.get("bias") is held[i]}
        owners = [group for group in groups if group.bias == i]
        if i not in covered or (sharers and (len(owners) != 1 or not sharers <= set(owners[0].names))):
            raise ValueError(
                "kfac and ekfac need each bias together with its own weight, and in no other layer, got "
                f"{name!r}: {_OTHERS}"
            )
    return groups


def _parameter(parts: dict[str, nn.Module], name: str) -> Tensor | None:
    prefix, _, kind = name.rpartition(".")
    return parts[prefix]._parameters[kind]


def _check_covered(name: str, holder: str, layer: nn.Module, kind: str) -> None:
    """Raise where a parameter is not the weight or bias of a layer that computes as torch's own do."""
    plain = "forward" not in layer.__dict__ and "_conv_forward" not in layer.__dict__
    if kind in ("weight", "bias") and plain and _computes_as_torch(layer):
        return
    also = "" if name.startswith(holder) else f", and is also that of {holder!r}"
    raise ValueError(
        "kfac and ekfac are for the weights of Linear and Conv2d layers (one group, padded with "
        f"zeros; not pruned, parametrised, or with a forward() of their own), and their biases; {name!r} "
        f"belongs to {type(layer).__name__}{also}: {_OTHERS}{_plainly(layer, kind)}"
    )


def _computes_as_torch(layer: nn.Module) -> bool:
    kind: Any = type(layer)
    if isinstance(layer, nn.Conv2d):
        own = kind.forward is not nn.Conv2d.forward or kind._conv_forward is not nn.Conv2d._conv_forward
        zeros = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        return not own and layer.groups == 1 and zeros
    linear = isinstance(layer, (nn.Linear, NonDynamicallyQuantizableLinear))
    return linear and kind.forward is nn.Linear.forward


def _plainly(layer: nn.Module, kind: str) -> str:
    """Say how a pruned or parametrised weight becomes a plain one."""
    if kind.startswith("original"):
        return "; torch.nn.utils.parametrize.remove_parametrizations makes it a plain weight"
    if kind.startswith("weight_") and layer._forward_pre_hooks:
        return "; torch.nn.utils.prune.remove, or remove_weight_norm or the like, makes it a plain weight"
    return ""
