"""Which layers hold the parameters in question, one weight in several of them included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from divulge.influence.layer_rules import MOST_NUMBERS, Kind, bias_name, is_elementwise, kind_of
from divulge.influence.operators import LayerPlace

__all__ = ["LayerGroup", "layer_groups"]

_OTHERS = "name others in parameters=, or use curvature='gauss_newton'"


@dataclass(frozen=True)
class LayerGroup:
    """The layers that share one weight, most often one; or a part of them that sees a part of the input.

    Attributes:
        names: of the layers in the module.
        layers: of one kind.
        kind: how the gradient is made.
        place: of weight and bias in the flat vector of parameters.
        weight: the number of the weight among the parameters in question, or of the only parameter.
        bias: that of the bias, or None.
        part: of a convolution in groups, which one of how many; of attention, of query, key and value.
    """

    names: list[str]
    layers: list[nn.Module]
    kind: Kind
    place: LayerPlace
    weight: int
    bias: int | None
    part: tuple[int, int] = (0, 1)

    def matrix(self, gradients: Sequence[Tensor | None], tensors: Sequence[Tensor]) -> Tensor:
        """Return autograd's gradient of this group as it lies in the Kronecker product, (h, d + 1)."""
        number, (h, d, *_) = self.part[0], self.place
        parts = [_full(gradients, tensors, self.weight).reshape(-1, h * d)[number]]
        parts[0] = parts[0].reshape(d, h).T if self.place.transposed else parts[0].reshape(h, d)
        if self.bias is not None:
            parts.append(_full(gradients, tensors, self.bias).reshape(-1, h, 1)[number])
        return torch.cat(parts, dim=1).double()


def _full(gradients: Sequence[Tensor | None], tensors: Sequence[Tensor], number: int) -> Tensor:
    gradient = gradients[number]
    return torch.zeros_like(tensors[number]) if gradient is None else gradient


def layer_groups(module: nn.Module, names: Sequence[str], tensors: Sequence[Tensor]) -> list[LayerGroup]:
    """Return the layers whose weights and biases are exactly the parameters in question.

    Args:
        module: holds them.
        names: of the parameters in question.
        tensors: their values, of the module's shapes.

    Raises:
        ValueError: a parameter that belongs to a layer of no known kind, to several of different kinds
            or with different biases, or a bias without its weight.
    """
    parts = dict(module.named_modules())
    held = [_parameter(parts, name) for name in names]
    offsets = list(accumulate([0] + [t.numel() for t in tensors]))
    numbers = {id(p): i for i, p in enumerate(held)}
    groups: list[LayerGroup] = []
    covered: set[int | None] = set()
    for i, name in enumerate(names):
        holders = [
            (n, p, kind) for n, p in parts.items() for kind, t in p._parameters.items() if t is held[i]
        ]
        kind = _one_kind(name, holders)
        layers = [n for n, *_ in holders], [p for _, p, _ in holders]
        if is_elementwise(kind):
            groups.append(
                LayerGroup(*layers, kind, LayerPlace(tensors[i].numel(), 1, offsets[i], None), i, None)
            )
            covered.add(i)
            continue
        if kind == "dense" and _is_bias_of_tied(name, holders, parts):
            groups.append(
                LayerGroup(*layers, "shift", LayerPlace(tensors[i].numel(), 1, offsets[i], None), i, None)
            )
            covered.add(i)
            continue
        if name.rpartition(".")[2] == bias_name(kind):
            continue
        if kind == "embedding":
            groups += _in_parts(*layers, kind, tensors[i], i, None, offsets)
            covered.add(i)
            continue
        found = {numbers.get(id(part._parameters.get(bias_name(kind)))) for _, part, _ in holders}
        if len(found) > 1:
            raise ValueError(
                f"kfac and ekfac need one bias beside one weight, but {name!r} is the weight of "
                f"{' and '.join(repr(n) for n, *_ in holders)}, whose biases differ: {_OTHERS}"
            )
        bias = found.pop()
        groups += _in_parts(*layers, kind, tensors[i], i, bias, offsets)
        covered |= {i, bias}
    for i, name in enumerate(names):
        sharers = {n for n, part in parts.items() if part._parameters.get("bias") is held[i]}
        owners = [group for group in groups if i in (group.bias, group.weight)]
        if i not in covered or (sharers and (not owners or not sharers <= set(owners[0].names))):
            raise ValueError(
                "kfac and ekfac need each bias together with its own weight, and in no other layer, got "
                f"{name!r}: {_OTHERS}"
            )
    return groups


def _in_parts(
    names: list[str],
    layers: list[nn.Module],
    kind: Kind,
    tensor: Tensor,
    weight: int,
    bias: int | None,
    offsets: list[int],
) -> list[LayerGroup]:
    """Return one group, or one for each part of the outputs that has inputs of its own."""
    total = int(getattr(layers[0], "groups", 1)) if kind == "convolution" else 3 if kind == "attention" else 1
    turned = kind in ("transposed", "embedding")
    h = tensor.shape[1] if turned else len(tensor) // total
    d = tensor.numel() // (h * total)
    made = []
    for j in range(total):
        start = None if bias is None else offsets[bias] + j * h
        place = LayerPlace(h, d, offsets[weight] + j * h * d, start, turned)
        made.append(LayerGroup(names, layers, kind, place, weight, bias, (j, total)))
    return made


def _parameter(parts: dict[str, nn.Module], name: str) -> Tensor | None:
    prefix, _, kind = name.rpartition(".")
    return parts[prefix]._parameters[kind]


def _one_kind(name: str, holders: Sequence[tuple[str, nn.Module, str]]) -> Kind:
    """Return how the gradient of a parameter is made in all of its layers, or raise."""
    kinds = set()
    for holder, layer, kind in holders:
        rule = kind_of(layer, kind)
        if rule is None:
            also = "" if name.startswith(holder) else f", and is also that of {holder!r}"
            raise ValueError(
                "kfac and ekfac are for the weights and biases of Linear, Conv1d, Conv2d (padded with "
                "zeros), Embedding, MultiheadAttention of one width, LayerNorm, RMSNorm, GroupNorm, "
                f"BatchNorm (the latter of at most {MOST_NUMBERS} rows or numbers; not pruned, "
                f"parametrised, or with a forward() of their own), {name!r} belongs to "
                f"{type(layer).__name__}{also}: {_OTHERS}{_plainly(layer, kind)}"
            )
        kinds.add((rule, layer.groups if rule == "convolution" else 1))
    if kinds == {("embedding", 1), ("dense", 1)}:
        return "embedding"
    if len(kinds) > 1:
        raise ValueError(
            f"kfac and ekfac need one kind of layer for one weight, but {name!r} is that of "
            f"{' and '.join(repr(n) for n, *_ in holders)}: {_OTHERS}"
        )
    return kinds.pop()[0]


def _is_bias_of_tied(
    name: str, holders: Sequence[tuple[str, nn.Module, str]], parts: dict[str, nn.Module]
) -> bool:
    """Whether a bias is that of layers whose weight is an embedding's, too."""
    tables = {id(p.weight) for p in parts.values() if isinstance(p, nn.Embedding)}
    return name.endswith("bias") and all(
        id(part._parameters.get("weight")) in tables for _, part, _ in holders
    )


def _plainly(layer: nn.Module, kind: str) -> str:
    """Say how a pruned or parametrised weight becomes a plain one."""
    if kind.startswith("original"):
        return "; torch.nn.utils.parametrize.remove_parametrizations makes it a plain weight"
    if kind.startswith("weight_") and layer._forward_pre_hooks:
        return "; torch.nn.utils.prune.remove, or remove_weight_norm or the like, makes it a plain weight"
    return ""
