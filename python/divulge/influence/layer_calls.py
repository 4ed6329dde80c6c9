"""What layers see and return while a module computes, recorded before anything can overwrite it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge

from divulge.influence.layer_groups import LayerGroup
from divulge.influence.sample_axis import SampleAxis

__all__ = ["Call", "features_last", "recorded"]


@dataclass
class Call:
    """One call of a layer.

    Attributes:
        layer: what was called.
        name: its own.
        edge: of the graph, of which the output's gradient is asked.
        output: a shape and type like the output's.
        seen: (a, 1) (k, T, d + 1) where the samples' axis is known, else features last, a copy.
        axis: of the samples.
    """

    layer: nn.Module
    name: str
    edge: Any
    output: Tensor
    seen: Tensor
    axis: SampleAxis | None

    def delta(self, gradient: Tensor | None) -> Tensor:
        """Return a gradient by the output, features last."""
        if gradient is None:
            gradient = self.output.new_zeros(self.output.shape)
        return gradient.flatten(2).transpose(1, 2) if isinstance(self.layer, nn.Conv2d) else gradient

    def delta_rows(self, gradient: Tensor | None, k: int) -> Tensor:
        """Return it as (k, T, h)."""
        return _rows(self.axis, self.delta(gradient), k, self.name)


@contextmanager
def recorded(
    groups: Sequence[LayerGroup], k: int, axes: Sequence[Sequence[SampleAxis]] | None = None
) -> Iterator[list[list[Call]]]:
    """Record the calls of each group's layers.

    Args:
        groups: the layers.
        k: samples in the batch.
        axes: of the samples, for each group and call, where they are known.
    """
    calls: list[list[Call]] = [[] for _ in groups]

    def note(i: int, name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
            a = (args[0] if args else kwargs["input"]).detach()
            known = axes[i] if axes is not None else []
            axis = known[len(calls[i])] if len(calls[i]) < len(known) else None
            seen = features_last(layer, a)
            if axis is not None:
                seen = _rows(axis, seen, k, name)
            if groups[i].place.bias is not None:
                seen = torch.cat([seen, seen.new_ones(*seen.shape[:-1], 1)], dim=-1)
            elif seen.untyped_storage().data_ptr() == a.untyped_storage().data_ptr():
                seen = seen.clone()
            calls[i].append(Call(layer, name, _edge(output, name), _like(output), seen, axis))

        return hook

    handles = [
        layer.register_forward_hook(note(i, name), prepend=True, with_kwargs=True)
        for i, group in enumerate(groups)
        for name, layer in zip(group.names, group.layers, strict=True)
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def features_last(layer: nn.Module, a: Tensor) -> Tensor:
    """Return a layer's input as (..., d): a convolution's patches (n, T, d)."""
    if isinstance(layer, nn.Conv2d) and a.ndim == 4:
        patches = F.unfold(a, layer.kernel_size, layer.dilation, layer.padding, layer.stride)  # type: ignore[arg-type]
        return patches.transpose(1, 2)
    return a


def _rows(axis: SampleAxis | None, tensor: Tensor, k: int, name: str) -> Tensor:
    rows = None if axis is None else axis.rows(tensor, k)
    if rows is None:
        raise ValueError(
            f"kfac and ekfac need the samples on the same axis in each batch; {name!r} had the shape "
            f"{tuple(tensor.shape)} for {k} samples, with features last"
        )
    return rows


def _edge(output: Tensor, name: str) -> Any:
    if not output.requires_grad:
        raise ValueError(
            f"kfac and ekfac need gradients of {name!r}, the module computes it without (no_grad, "
            "or activation checkpointing with use_reentrant=True)"
        )
    return get_gradient_edge(output)


def _like(output: Tensor) -> Tensor:
    """Return a tensor of the output's shape and type that holds a single number."""
    return output.detach().new_empty(()).expand(output.shape)
