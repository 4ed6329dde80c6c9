"""What layers see and return while a module computes, recorded before anything can overwrite it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge

from divulge.influence.attention_calls import Watched, watching, within_attention
from divulge.influence.layer_groups import LayerGroup
from divulge.influence.layer_rules import back_last, is_elementwise, is_head, seen_last
from divulge.influence.patch_moments import patch_moments
from divulge.influence.sample_axis import SampleAxis
from divulge.influence.seen import Rows, Seen, Strips

__all__ = ["Call", "gram", "in_strips", "recorded"]


@dataclass
class Call:
    """One call of a layer.

    Attributes:
        layer: what was called.
        name: its own.
        group: whose call it is.
        edge: of the graph, of which the output's gradient is asked.
        output: a shape and type like the output's.
        seen: a (k, T, d) where the samples' axis is known, else features last, a copy; of a scale the
            normalised input in a's place.
        axis: of the samples.
        in_rows: whether `seen` is (k, T, d).
        as_head: whether an embedding's table was multiplied by, which takes a for delta and delta for a.
        moments: the sum of (a, 1)(a, 1)' (d + 1, d + 1) of a convolution of which nothing else is kept.
        strips: what a convolution saw, in `seen`'s place.
    """

    layer: nn.Module
    name: str
    group: LayerGroup
    edge: Any
    output: Tensor
    seen: Tensor
    axis: SampleAxis | None
    in_rows: bool = False
    as_head: bool = False
    moments: Tensor | None = None
    strips: Strips | None = None

    def delta(self, gradient: Tensor | None) -> Tensor:
        """Return a gradient by the output, features last."""
        if gradient is None:
            gradient = self.output.new_zeros(self.output.shape)
        delta = back_last(self.layer, self.group.kind, gradient)
        return _part(delta, self.group.part) if self.group.kind == "convolution" else delta

    def delta_rows(self, gradient: Tensor | None, k: int) -> Tensor:
        """Return it as (k, T, h); of a scale or a shift its own gradient (k, 1, h)."""
        delta = _rows(self.axis, self.delta(gradient), k, self.name)
        if not is_elementwise(self.group.kind):
            return delta
        if self.group.kind == "scale":
            delta = delta * self.rows_seen(k)
        return delta.sum(1, keepdim=True)

    def rows_seen(self, k: int) -> Tensor:
        """Return what was seen as (k, T, d), or (k, T, d + 1) with a 1 for the bias."""
        seen = self._own_rows(k)
        return torch.cat([seen, seen.new_ones(*seen.shape[:-1], 1)], dim=-1) if self._has_bias else seen

    def inner(self, k: int) -> Tensor:
        """Return what the Kronecker product's second factor is made of, (k, T, d + 1)."""
        if is_elementwise(self.group.kind):
            return self.seen.new_ones(k, 1, 1)
        return self.rows_seen(k)

    def gram(self, k: int) -> Tensor:
        """Return the sum over samples and positions of its outer products (d + 1, d + 1)."""
        return gram(self.inner(k)) if self.moments is None else self.moments

    def in_products(self, k: int) -> Seen:
        """Return it as it is multiplied."""
        if self.strips is not None:
            return self.strips
        if is_elementwise(self.group.kind):
            return Rows(self.inner(k))
        return Rows(self._own_rows(k), bias=self._has_bias)

    @property
    def _has_bias(self) -> bool:
        return self.group.place.bias is not None

    def _own_rows(self, k: int) -> Tensor:
        return self.seen if self.in_rows else _rows(self.axis, self.seen, k, self.name)


@contextmanager
def recorded(
    groups: Sequence[LayerGroup],
    k: int,
    axes: Sequence[Sequence[SampleAxis]] | None = None,
    *,
    sums: bool = False,
) -> Iterator[list[list[Call]]]:
    """Record the calls of each group's layers.

    Args:
        groups: the layers.
        k: samples in the batch.
        axes: of the samples, for each group and call, where they are known.
        sums: keep no patches of convolutions, only the sum of their outer products.
    """
    calls: list[list[Call]] = [[] for _ in groups]

    def note(i: int, name: str, as_head: bool = False) -> Callable[..., None]:
        def hook(layer: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
            a = (args[0] if args else kwargs["input"]).detach()
            known = axes[i] if axes is not None else []
            axis = known[len(calls[i])] if len(calls[i]) < len(known) else None
            convolution = axis is not None and groups[i].kind == "convolution"
            if convolution and a.ndim != layer.weight.ndim:  # one sample without its axis
                raise _off_axis(name, a, k)
            if axis is not None and convolution and (sums or in_strips(groups[i], known)):
                calls[i].append(_of_patches(groups[i], layer, name, a, output, axis, sums))
                return
            seen = a if as_head else _seen(groups[i], layer, a, output)
            if axis is not None:
                seen = _rows(axis, seen, k, name)
            if seen.untyped_storage().data_ptr() == a.untyped_storage().data_ptr():
                seen = seen.clone()
            call = Call(
                layer,
                name,
                groups[i],
                _edge(output, name),
                _like(output),
                seen,
                axis,
                axis is not None,
                as_head,
            )
            calls[i].append(call)

        return hook

    places = [
        (i, name, layer)
        for i, group in enumerate(groups)
        for name, layer in zip(group.names, group.layers, strict=True)
    ]
    handles = [
        layer.register_forward_hook(note(i, name), prepend=True, with_kwargs=True)
        for i, name, layer in places
        if not within_attention(layer) and not (groups[i].kind == "embedding" and is_head(layer))
    ]
    tables = [(i, *place) for i, group in enumerate(groups) if (place := _table(group)) is not None]
    watched = [Watched(layer, 0, note(i, name, True)) for i, name, layer in tables]
    watched += [
        Watched(layer, groups[i].part[0], note(i, name))
        for i, name, layer in places
        if within_attention(layer) and layer is groups[i].layers[0]  # others have the same weight
    ]
    try:
        with watching(watched):
            yield calls
    finally:
        for handle in handles:
            handle.remove()


def _table(group: LayerGroup) -> tuple[str, nn.Module] | None:
    """Return the first embedding of a group of them."""
    if group.kind != "embedding":
        return None
    return next(pair for pair in zip(group.names, group.layers, strict=True) if not is_head(pair[1]))


def _seen(group: LayerGroup, layer: nn.Module, a: Tensor, output: Tensor) -> Tensor:
    """Return what a layer sees, features last; a shift sees nothing."""
    if group.kind == "shift":
        return back_last(layer, group.kind, output.detach().new_ones(()).expand(output.shape))[..., :1]
    seen = seen_last(layer, group.kind, a)
    return _part(seen, group.part) if group.kind == "convolution" else seen


def in_strips(group: LayerGroup, axes: Sequence[SampleAxis]) -> bool:
    """Whether what a group saw is held in strips: of one call, its samples the first axis as they are."""
    return group.kind == "convolution" and len(axes) == 1 and axes[0].is_first


def _of_patches(
    group: LayerGroup, layer: nn.Module, name: str, a: Tensor, output: Tensor, axis: SampleAxis, sums: bool
) -> Call:
    """Return a convolution's call, whose patches are not whole in memory."""
    own, bias = _part(a, group.part, dim=1), group.place.bias is not None
    call = Call(layer, name, group, _edge(output, name), _like(output), a.new_empty(0), axis)
    if sums:
        call.moments = patch_moments(layer, own, bias=bias)
    else:
        call.strips = Strips.of(layer, own, bias=bias)
    return call


def gram(x: Tensor) -> Tensor:
    """Return the sum over samples and positions of the outer products (d, d) of (k, T, d)."""
    if not x.is_contiguous() and x.mT.is_contiguous() and len(x):  # as a convolution returns it: no copy
        return torch.bmm(x.mT, x).sum(0)
    flat = x.reshape(-1, x.shape[-1])
    return flat.T @ flat


def _part(tensor: Tensor, part: tuple[int, int], dim: int = -1) -> Tensor:
    """Return one of so many equal parts of the features."""
    number, total = part
    return tensor if total == 1 else tensor.chunk(total, dim=dim)[number]


def _rows(axis: SampleAxis | None, tensor: Tensor, k: int, name: str) -> Tensor:
    rows = None if axis is None else axis.rows(tensor, k)
    if rows is None:
        raise _off_axis(name, tensor, k)
    return rows


def _off_axis(name: str, tensor: Tensor, k: int) -> ValueError:
    return ValueError(
        f"kfac and ekfac need the samples on the same axis in each batch; {name!r} had the shape "
        f"{tuple(tensor.shape)} for {k} samples"
    )


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
